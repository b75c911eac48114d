# SPDX-License-Identifier: Apache-2.0
"""Small TensorFlow Lite files for tests, written with the flatbuffer builder."""

import importlib
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

TYPES = {
    "float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9
}


@dataclass
class TensorSpec:
    """A tensor of the file; ``data`` makes it constant."""

    name: str
    shape: tuple
    dtype: str = "int8"
    scale: object = None
    zero_point: object = 0
    axis: int = 0
    data: np.ndarray | None = None


@dataclass
class OperatorSpec:
    """An operator: operands by index into the tensors (-1: absent), options by schema field."""

    kind: str
    inputs: list
    outputs: list
    options_class: str | None = None
    options: dict = field(default_factory=dict)
    custom_code: str | None = None


def constant(name, values, dtype="int32", **quantization):
    """A constant tensor."""
    data = np.asarray(values, dtype)
    return TensorSpec(name, data.shape, dtype, data=data, **quantization)


def _vector(builder, values, dtype):
    return builder.CreateNumpyVector(np.ascontiguousarray(values, dtype))


def _offsets(builder, start, offsets):
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _quantization(builder, spec):
    if spec.scale is None:
        return None
    scale = _vector(builder, np.atleast_1d(spec.scale), np.float32)
    zero = _vector(builder, np.broadcast_to(spec.zero_point, np.shape(np.atleast_1d(spec.scale))),
                   np.int64)
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scale)
    tflite.QuantizationParametersAddZeroPoint(builder, zero)
    tflite.QuantizationParametersAddQuantizedDimension(builder, spec.axis)
    return tflite.QuantizationParametersEnd(builder)


def _tensor(builder, spec, buffer):
    name = builder.CreateString(spec.name)
    shape = _vector(builder, spec.shape, np.int32)
    quantization = _quantization(builder, spec)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, TYPES[spec.dtype])
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, name)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return tflite.TensorEnd(builder)


def _options(builder, spec):
    if spec.options_class is None:
        return None
    module = importlib.import_module(f"tflite.{spec.options_class}")
    values = {
        key: _vector(builder, value, np.int32) if isinstance(value, (list, tuple)) else value
        for key, value in spec.options.items()
    }
    module.Start(builder)
    for key, value in values.items():
        getattr(module, f"Add{key}")(builder, value)
    return module.End(builder)


def _operator(builder, spec, code):
    options = _options(builder, spec)
    inputs, outputs = (_vector(builder, items, np.int32) for items in (spec.inputs, spec.outputs))
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(
            builder, getattr(tflite.BuiltinOptions, spec.options_class)
        )
        tflite.OperatorAddBuiltinOptions(builder, options)
    return tflite.OperatorEnd(builder)


def build(tensors, operators, inputs, outputs, version=3):
    """The bytes of a model with one subgraph; ``inputs`` and ``outputs`` are tensor indices."""
    builder = flatbuffers.Builder(1 << 12)
    contents = [b""]
    numbers = []
    for spec in tensors:
        numbers.append(len(contents) if spec.data is not None else 0)
        if spec.data is not None:
            contents.append(np.ascontiguousarray(spec.data).tobytes())
    buffers = []
    for data in contents:
        vector = _vector(builder, np.frombuffer(data, np.uint8), np.uint8) if data else None
        tflite.BufferStart(builder)
        if vector is not None:
            tflite.BufferAddData(builder, vector)
        buffers.append(tflite.BufferEnd(builder))
    stored = [_tensor(builder, spec, number) for spec, number in zip(tensors, numbers, strict=True)]
    codes, steps = [], []
    for index, spec in enumerate(operators):
        number = getattr(tflite.BuiltinOperator, spec.kind)
        custom = builder.CreateString(spec.custom_code) if spec.custom_code else None
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(builder, number)
        tflite.OperatorCodeAddVersion(builder, 1)
        if custom is not None:
            tflite.OperatorCodeAddCustomCode(builder, custom)
        codes.append(tflite.OperatorCodeEnd(builder))
        steps.append(_operator(builder, spec, index))
    tensor_vector = _offsets(builder, tflite.SubGraphStartTensorsVector, stored)
    operator_vector = _offsets(builder, tflite.SubGraphStartOperatorsVector, steps)
    input_vector, output_vector = (_vector(builder, x, np.int32) for x in (inputs, outputs))
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_vector)
    tflite.SubGraphAddInputs(builder, input_vector)
    tflite.SubGraphAddOutputs(builder, output_vector)
    tflite.SubGraphAddOperators(builder, operator_vector)
    subgraphs = _offsets(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    code_vector = _offsets(builder, tflite.ModelStartOperatorCodesVector, codes)
    buffer_vector = _offsets(builder, tflite.ModelStartBuffersVector, buffers)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, version)
    tflite.ModelAddOperatorCodes(builder, code_vector)
    tflite.ModelAddSubgraphs(builder, subgraphs)
    tflite.ModelAddBuffers(builder, buffer_vector)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
