# SPDX-License-Identifier: Apache-2.0
"""Mutated ONNX files: a graph or `ModelError`, nothing else, and never for long."""

import random
import time

import numpy as np
import pytest
from onnx_models import integer_network, network

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, numpy_helper  # noqa: E402

from weft.graph import ModelError  # noqa: E402
from weft.importers.onnx import load_onnx, parse_onnx  # noqa: E402
from weft.operators.interpreter import Interpreter  # noqa: E402

NUMBERS = (0, 1, -1, 2, 3, 5, 7, 64, 255, 65536, 2**31 - 1, -(2**31), 2**62, -(2**63))
FLOATS = (0.0, -1.0, 1e-40, 1e30, float("inf"), float("nan"))


def mutate_bytes(data, rng):
    data = bytearray(data)
    if rng.random() < 0.2:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(data))
        choice = rng.random()
        if choice < 0.5:
            data[position] = rng.randrange(256)
        elif choice < 0.7:
            data[position] ^= 1 << rng.randrange(8)
        elif choice < 0.85:
            del data[position : position + rng.randint(1, 8)]
        else:
            data[position:position] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
    return bytes(data)


def mutate_node(model, rng):
    node = rng.choice(model.graph.node)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    choice = rng.randrange(6)
    if choice == 0 and node.attribute:
        attribute = rng.choice(node.attribute)
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
            if rng.random() < 0.3:
                attribute.ints.append(rng.choice(NUMBERS))
        else:
            attribute.i, attribute.f = rng.choice(NUMBERS), rng.choice(FLOATS)
            attribute.type = rng.randrange(1, 12)
    elif choice == 1 and node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]
    elif choice == 2 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "nowhere"])
    elif choice == 3 and node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice([*names, ""])
    elif choice == 4:
        node.op_type = rng.choice([other.op_type for other in model.graph.node] + ["Nothing"])
    elif node.input:
        del node.input[rng.randrange(len(node.input))]


def mutate_tensor(model, rng):
    tensor = rng.choice(model.graph.initializer)
    choice = rng.randrange(5)
    if choice == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    elif choice == 1:
        tensor.data_type = rng.randrange(28)
    elif choice == 2 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]
    else:
        shape = [rng.choice((1, 2, 3, 8)) for _ in range(rng.randrange(5))]
        values = np.full(shape, rng.choice((*FLOATS, 1.0, 127.0)), np.float32)
        if tensor.data_type in (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32):
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            values = np.full(shape, rng.randrange(100), dtype)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def mutate_graph(model, rng):
    graph = model.graph
    choice = rng.randrange(6)
    if choice == 0 and len(graph.node) > 1:
        del graph.node[rng.randrange(len(graph.node))]
    elif choice == 1:
        graph.node.add().CopyFrom(rng.choice(graph.node))
    elif choice == 2 and graph.input[0].type.tensor_type.shape.dim:
        rng.choice(graph.input[0].type.tensor_type.shape.dim).dim_value = rng.choice(NUMBERS)
    elif choice == 3:
        graph.input[0].type.tensor_type.elem_type = rng.randrange(28)
    elif choice == 4:
        model.opset_import[0].version = rng.choice((0, 1, 6, 9, 12, 13, 18, 99))
    else:
        graph.output[0].name = rng.choice([node.output[0] for node in graph.node] + ["nowhere"])


def mutate_model(model, rng):
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for _ in range(rng.randint(1, 3)):
        rng.choice((mutate_node, mutate_node, mutate_tensor, mutate_graph))(result, rng)
    return result.SerializeToString()


def attempt(data):
    started = time.monotonic()
    try:
        graph = parse_onnx(data)
        if not list(graph.unsupported()):
            sizes = [tensor.bytes for tensor in graph.tensors.values()]
            if sum(sizes) < 1 << 20:
                inputs = [graph.tensors[name] for name in graph.inputs]
                Interpreter(graph).run([np.zeros(t.shape, t.dtype) for t in inputs])
        outcome = True
    except ModelError:
        outcome = False
    assert time.monotonic() - started < 20
    return outcome


def fuzz(count, seed):
    rng = random.Random(seed)
    models = [network(), integer_network(), integer_network(convolution=False)]
    stored = [model.SerializeToString() for model in models]
    parsed = 0
    for _ in range(count):
        if rng.random() < 0.4:
            parsed += attempt(mutate_bytes(rng.choice(stored), rng))
        else:
            model = rng.choice(models)
            try:
                data = mutate_model(model, rng)
            except (IndexError, TypeError, ValueError):  # nothing there to change
                continue
            parsed += attempt(data)
    return parsed


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mutated_files():
    assert 20 < fuzz(500, 1) < 450


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_many_mutated_files():
    assert fuzz(10_000, 2) > 400


def test_every_truncation():
    data = integer_network().SerializeToString()
    for length in range(0, len(data), 7):
        attempt(data[:length])


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        load_onnx(tmp_path / "missing.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="no graph"):
        load_onnx(tmp_path / "empty.onnx")
    with pytest.raises(ModelError):
        load_onnx(tmp_path)
