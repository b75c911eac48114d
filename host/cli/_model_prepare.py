# SPDX-License-Identifier: Apache-2.0
"""What happens to a model before it is compiled: constants are bound, floats become integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..graph import Graph

__all__ = ["Preparation", "prepare_options", "prepared", "read_model"]

METHODS = ("minmax", "percentile", "entropy")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True)
class Preparation:
    """Options that change a model.

    Parameters
    ----------
    constants : tuple of str
        ``NAME=FILE`` for each input that becomes a constant.
    calibration : Path or None
        Samples; None leaves the model as it is.
    method : str
        How ranges come from them.
    labels : Path or None
        Classes of the samples that the accuracy is measured with.
    evaluation : Path or None
        Those samples, if they are not those of the calibration.
    """

    constants: tuple[str, ...] = ()
    calibration: Path | None = None
    method: str = "minmax"
    labels: Path | None = None
    evaluation: Path | None = None


def prepare_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `Preparation` names."""
    function = click.option(
        "--evaluation", type=_FILE,
        help="Samples for the accuracy, if not those of --calibration.")(function)
    function = click.option(
        "--labels", type=_FILE,
        help="Class of each sample: prints the accuracy before and after quantization.")(function)
    function = click.option(
        "--method", type=click.Choice(METHODS), default="minmax", show_default=True,
        help="How ranges come from the calibration samples.")(function)
    function = click.option(
        "--calibration", type=_FILE,
        help="Quantize a floating-point model with one input first; a NumPy file, samples along "
        "the first axis.")(function)
    return click.option(
        "--constant", "constants", multiple=True, metavar="NAME=FILE",
        help="Take an input of an ONNX model as a constant: scales, zero points, weights.",
    )(function)


def read_model(path: Path, constants: tuple[str, ...]) -> Any:
    """The graph or compiled model in a file, some of its inputs bound."""
    from ..runtime.model import load_model
    from ._model_inputs import load_array

    if not constants:
        return load_model(path)
    if path.suffix.lower() != ".onnx":
        raise click.UsageError(f"--constant needs an .onnx model, not {path}")
    from ..importers.onnx import load_onnx

    values = {}
    for entry in constants:
        name, separator, file = entry.partition("=")
        if not separator or name in values:
            raise click.UsageError(f"--constant must be NAME=FILE, once a name, not {entry!r}")
        values[name] = load_array(Path(file))
    return load_onnx(path, constants=values)


def prepared(
    graph: Graph, options: Preparation, convention: str
) -> tuple[Graph, list[str], dict[str, Any] | None]:
    """The quantized graph, notes for the user, and the accuracy before and after."""
    from ..quantize import compare, quantize

    if options.calibration is None:
        if options.labels is not None or options.evaluation is not None:
            raise click.UsageError("--labels and --evaluation need --calibration")
        return graph, [], None
    if options.evaluation is not None and options.labels is None:
        raise click.UsageError("--evaluation needs --labels")
    samples = _samples(graph, options.calibration)
    labels = None
    evaluation = samples
    if options.labels is not None:
        if options.evaluation is not None:
            evaluation = _samples(graph, options.evaluation)
        classes = graph.tensors[graph.outputs[0]].elements
        labels = _labels(options.labels, len(evaluation), classes)
    result = quantize(graph, samples, options.method, convention=convention)
    notes = [f"quantized by {options.method} ranges of {options.calibration}"]
    if labels is None:
        return result, notes, None
    found = compare(graph, result, evaluation, labels)
    return result, [*notes, str(found)], asdict(found)


def _samples(graph: Graph, path: Path) -> list[list[NDArray]]:
    """The samples in a file, each as the list of the model's inputs."""
    import numpy as np

    from ._model_inputs import load_array

    samples = load_array(path)
    if len(graph.inputs) != 1:
        raise click.UsageError(f"--calibration needs a model with one input, not "
                               f"{len(graph.inputs)}")
    if samples.dtype.kind not in "biuf":
        raise click.UsageError(f"{path} must hold numbers, not {samples.dtype}")
    tensor = graph.tensors[graph.inputs[0]]
    if samples.ndim == 0 or not len(samples) or samples[0].size != tensor.elements:
        raise click.UsageError(
            f"each sample in {path} must have the {tensor.elements} elements of {tensor}; the "
            f"file's shape is {samples.shape}"
        )
    with np.errstate(all="ignore"):
        converted = samples.astype(tensor.dtype)
    if converted.dtype.kind == "f":
        bad = [n for n, sample in enumerate(converted) if not np.isfinite(sample).all()]
        if bad:
            raise click.UsageError(
                f"{path}: sample {bad[0]} has values that are not finite {tensor.dtype} numbers "
                f"({len(bad)} of {len(samples)} samples have); remove them"
            )
    if not converted.any():
        raise click.UsageError(
            f"{path} holds only zeros, which say nothing about ranges; give inputs that the model "
            "will meet"
        )
    return [[sample.reshape(tensor.shape)] for sample in converted]


def _labels(path: Path, count: int, classes: int) -> list[int]:
    """The class of each of ``count`` samples."""
    from ._model_inputs import load_array

    labels = load_array(path)
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise click.UsageError(
            f"{path} must hold {count} integers, one for each sample; it holds {labels.dtype} of "
            f"shape {labels.shape}"
        )
    outside = [n for n, label in enumerate(labels) if not 0 <= label < classes]
    if outside:
        raise click.UsageError(
            f"{path}: label {outside[0]} is {labels[outside[0]]}, and the model's classes are 0 to "
            f"{classes - 1}"
        )
    return [int(label) for label in labels]
