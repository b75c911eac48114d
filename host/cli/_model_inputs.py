# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs of models as NumPy files and JSON."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Tensor

__all__ = [
    "check_output", "describe", "load_array", "output_files", "random_input", "read_expected",
    "read_inputs", "same_array",
]

SMALL = 4096
"""Most elements of an array whose values are printed."""


def load_array(path: Path) -> NDArray:
    """The array in a ``.npy`` or ONNX ``.pb`` file; raises `click.UsageError`."""
    try:
        if path.suffix == ".pb":
            return _tensor_proto(path)
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise click.UsageError(f"{path} is not a NumPy array file: {error}") from error
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror or error}") from error
    if not isinstance(array, np.ndarray):
        raise click.UsageError(f"{path} must hold one array (.npy)")
    return array


def _tensor_proto(path: Path) -> NDArray:
    """The tensor in a file of the serialized ``TensorProto``, as ONNX's test data are."""
    data = path.read_bytes()
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise click.UsageError(
            f"{path}: {error.name} is not installed; install weft[models]"
        ) from error
    try:
        return np.asarray(onnx.numpy_helper.to_array(onnx.load_tensor_from_string(data)))
    except Exception as error:  # noqa: BLE001 - protobuf and NumPy raise many kinds
        raise click.UsageError(f"{path} is not a serialized ONNX tensor: {error}") from error


def random_input(tensor: Tensor, generator: np.random.Generator) -> NDArray:
    """Any values of a tensor's type: all integers equally likely, floats of a normal one."""
    if tensor.dtype.kind == "f":
        return generator.standard_normal(tensor.shape).astype(tensor.dtype)
    if tensor.dtype.kind == "b":
        return generator.integers(0, 2, tensor.shape).astype(np.bool_)
    limits = np.iinfo(tensor.dtype)
    return generator.integers(limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True)


def read_inputs(
    graph: Graph, given: Sequence[str], seed: int
) -> tuple[dict[str, NDArray], list[dict[str, Any]]]:
    """Inputs by name, and where each came from.

    Parameters
    ----------
    given : sequence of str
        ``FILE`` in the order of the graph's inputs or ``NAME=FILE``; none at all for random ones.
    seed : int
        Of random inputs.
    """
    values: dict[str, NDArray] = {}
    sources: dict[str, str] = {}
    if not given:
        generator = np.random.default_rng(seed)
        for name in graph.inputs:
            values[name] = random_input(graph.tensors[name], generator)
            sources[name] = f"random, seed {seed}"
    else:
        files = _by_name("input", graph.inputs, given)
        values = {name: load_array(Path(file)) for name, file in files.items()}
        sources = files
    values = {name: values[name] for name in graph.inputs}
    return values, [
        {"name": name, "shape": list(values[name].shape), "dtype": str(values[name].dtype),
         "source": sources[name]}
        for name in graph.inputs
    ]


def read_expected(graph: Graph, given: Sequence[str]) -> list[NDArray]:
    """Arrays that the outputs must equal, in the order of the graph's outputs.

    Parameters
    ----------
    given : sequence of str
        ``FILE`` in the order of the graph's outputs or ``NAME=FILE``.
    """
    files = _by_name("expect", graph.outputs, given)
    return [load_array(Path(files[name])) for name in graph.outputs]


def _by_name(kind: str, names: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """File of each input or output."""
    for entry in given:
        name, separator, file = entry.partition("=")
        if separator and name not in names and not Path(entry).exists():
            raise click.UsageError(
                f"the model has no {kind if kind == 'input' else 'output'} {name!r}; --{kind} "
                f"takes {', '.join(names)}"
            )
    if len(given) != len(names):
        what = "inputs" if kind == "input" else "outputs"
        raise click.UsageError(
            f"the model has {len(names)} {what} ({', '.join(names)}), --{kind} is given "
            f"{len(given)} times"
        )
    files: dict[str, str] = {}
    for position, entry in enumerate(given):
        name, separator, file = entry.partition("=")
        if not separator or name not in names:
            name, file = names[position], entry
        if name in files:
            raise click.UsageError(f"--{kind} for {name!r} is given twice")
        files[name] = file
    return files


def same_array(found: NDArray, expected: NDArray) -> bool:
    """Whether two arrays have the same type, shape and values, bit for bit except for NaN."""
    return found.dtype == expected.dtype and np.array_equal(
        found, expected, equal_nan=found.dtype.kind == "f"
    )


def describe(name: str, array: NDArray) -> dict[str, Any]:
    """An array for JSON: name, shape, dtype, and values if there are few.

    Numbers that JSON lacks are the strings "nan", "inf" and "-inf".
    """
    values: Any = None
    if array.size <= SMALL:
        values = array.tolist()
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            values = _finite(values)
    return {"name": name, "shape": list(array.shape), "dtype": str(array.dtype), "values": values}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if np.isfinite(value) else str(value)


def check_output(path: Path, count: int) -> None:
    """Refuse an ``--output`` that `output_files` could not write, before anything runs.

    Parameters
    ----------
    path : Path
        What the user gave.
    count : int
        Outputs of the model.
    """
    single = path.suffix == ".npy"
    if single and count != 1:
        raise click.UsageError(f"the model has {count} outputs; give --output a directory")
    if single and path.is_dir():
        raise click.UsageError(f"{path} is a directory; name a file to write")
    folder = path.parent if single else path
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise click.UsageError(f"the directory {folder} cannot be made ({place} is a file); give "
                               "--output another one")
    if not os.access(place, os.W_OK | os.X_OK):
        raise click.UsageError(f"{path} cannot be written (no permission in {place}); name a "
                               "place where you may write")


def output_files(path: Path, outputs: Sequence[NDArray]) -> dict[Path, bytes]:
    """What ``--output`` writes: a ``.npy`` file for one output, else a directory of them."""
    if path.suffix == ".npy":
        names = [path]
    else:
        names = [path / f"output_{number}.npy" for number in range(len(outputs))]
    files = {}
    for name, array in zip(names, outputs, strict=True):
        buffer = io.BytesIO()
        np.save(buffer, array)
        files[name] = buffer.getvalue()
    return files
