# SPDX-License-Identifier: Apache-2.0
"""Ranges of activations from calibration data: min-max, percentile and entropy.

Entropy calibration chooses the threshold that loses least information: the Kullback-Leibler
divergence between the histogram of magnitudes, clipped at the threshold, and the same histogram in
128 levels. Source: S. Migacz, "8-bit Inference with TensorRT", GPU Technology Conference 2017
(slides 26 to 38).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError
from ..operators.interpreter import Inputs, Interpreter

__all__ = ["METHODS", "Range", "calibrate", "entropy_threshold"]

METHODS = ("minmax", "percentile", "entropy")
BINS = 2048
LEVELS = 128


@dataclass(frozen=True)
class Range:
    """What an activation's integers have to represent.

    Parameters
    ----------
    low, high : float
        Smallest and largest real value; zero lies between them.
    """

    low: float
    high: float

    def __or__(self, other: Range) -> Range:
        """The range that covers both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def calibrate(
    graph: Graph, names: Sequence[str], data: Iterable[Inputs], method: str = "minmax",
    percentile: float = 99.99,
) -> dict[str, Range]:
    """Run a floating-point graph on calibration data and choose a range for each tensor.

    Parameters
    ----------
    graph : Graph
        Floating point.
    names : sequence of str
        Tensors to observe.
    data : iterable of inputs
        As `weft.operators.interpreter.run` takes them; at least one. It is read twice.
    method : str
        One of `METHODS`.
    percentile : float
        Share of the values, in percent, that lie below the upper and above the lower limit.

    Raises
    ------
    ModelError
        If there is no data, all of it is zero, or values are not finite.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile must be above 50 and at most 100, not {percentile}")
    samples = list(data)
    if not samples:
        raise ModelError("calibration needs at least one sample")
    _check(samples)
    interpreter = Interpreter(graph)
    limits: dict[str, Range] = {}
    for sample in samples:
        values = interpreter.run(sample)
        for name in names:
            found = _limits(name, values[name])
            limits[name] = limits[name] | found if name in limits else found
    if method == "minmax":
        return limits
    histograms = {name: np.zeros(BINS, np.int64) for name in names}
    for sample in samples:
        values = interpreter.run(sample)
        for name in names:
            observed, bounds = values[name], _bounds(limits[name], method)
            if method == "entropy":
                observed = np.abs(observed)
            histograms[name] += np.histogram(observed, BINS, bounds)[0]
    choose = _entropy if method == "entropy" else _percentile
    return {name: choose(histograms[name], limits[name], percentile) for name in names}


def _check(samples: Sequence[Inputs]) -> None:
    """Refuse samples that say nothing about ranges."""
    found = False
    for number, sample in enumerate(samples):
        values = sample.values() if isinstance(sample, Mapping) else sample
        for item in values:
            array = np.asarray(item)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ModelError(f"calibration: sample {number} has values that are not finite")
            found = found or bool(array.any())
    if not found:
        raise ModelError("calibration: all samples are zero; give inputs that the model will meet")


def _limits(name: str, values: NDArray) -> Range:
    if not values.size:
        return Range(0.0, 0.0)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ModelError(f"calibration: tensor {name!r} has values that are not finite")
    return Range(min(low, 0.0), max(high, 0.0))


def _bounds(limits: Range, method: str) -> tuple[float, float]:
    if method == "entropy":
        return 0.0, max(-limits.low, limits.high) or 1.0
    return limits.low, limits.high if limits.high > limits.low else limits.low + 1.0


def _percentile(histogram: NDArray, limits: Range, percentile: float) -> Range:
    low, high = _bounds(limits, "percentile")
    edges = np.linspace(low, high, BINS + 1)
    shares = np.cumsum(histogram) / max(int(histogram.sum()), 1)
    above = int(np.searchsorted(shares, percentile / 100))
    below = int(np.searchsorted(shares, 1 - percentile / 100, side="right"))
    upper = float(edges[min(above + 1, BINS)])
    lower = float(edges[min(below, BINS)])
    return Range(min(max(lower, limits.low), 0.0), max(min(upper, limits.high), 0.0))


def _entropy(histogram: NDArray, limits: Range, percentile: float) -> Range:
    largest = _bounds(limits, "entropy")[1]
    threshold = entropy_threshold(histogram) / BINS * largest
    return Range(max(limits.low, -threshold), min(limits.high, threshold))


def entropy_threshold(histogram: NDArray[np.int64], levels: int = LEVELS) -> int:
    """Number of bins below the threshold that loses least information.

    Parameters
    ----------
    histogram : array of int64
        Counts of magnitudes in bins of one width from 0.
    levels : int
        Integers on one side of zero.
    """
    counts = histogram.astype(np.float64)
    counts[0] = 0.0 if counts[1:].any() else counts[0]  # zero is represented exactly
    total = counts.sum()
    best, best_divergence = len(counts), np.inf
    for bins in range(levels, len(counts) + 1, 8):
        reference = counts[:bins].copy()
        reference[-1] += total - reference.sum()
        edges = (np.arange(bins) * levels) // bins
        sums = np.bincount(edges, counts[:bins], levels)
        occupied = counts[:bins] > 0
        members = np.bincount(edges, occupied, levels)
        spread = np.divide(sums, members, out=np.zeros(levels), where=members > 0)[edges]
        candidate = np.where(occupied, spread, 0.0)
        divergence = _divergence(reference, candidate)
        if divergence < best_divergence:
            best, best_divergence = bins, divergence
    return best


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of two histograms; what ``q`` lacks counts as a tiny share."""
    if not p.sum() or not q.sum():
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / np.maximum(q[used], 1e-9))))
