# SPDX-License-Identifier: Apache-2.0
"""The figures of a demonstration run, for programs and for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..hdl.config import Config
from .classify import ARRAY_CAUSES, Classification
from .page import utilization

__all__ = ["facts", "report"]


def facts(
    result: Classification, config: Config, target: str, seconds: float, page: Path
) -> dict[str, Any]:
    """What ``--json`` prints."""
    cycles = result.cycles
    return {
        "target": target,
        "images": len(result.images),
        "accuracy": result.accuracy,
        "reference_accuracy": result.reference_accuracy,
        "equal_to_reference": result.equal,
        "accumulators_compared": result.accumulators,
        "accumulators_different": result.different,
        "cycles": cycles or None,
        "cycles_per_image": cycles / len(result.images) if cycles else None,
        "utilization": utilization(result.products, cycles, config) if cycles else None,
        "counters": result.counters(),
        "layers": [
            {
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "calls": layer.calls,
                "cycles": layer.cycles or None,
                "utilization": utilization(layer.products, layer.cycles, config) or None,
            }
            for layer in result.layers
        ],
        "device_seconds": result.seconds,
        "seconds": seconds,
        "page": str(page),
    }


def report(values: dict[str, Any], sizes: tuple[int, ...], config: Config) -> str:
    """What the command prints for people."""
    count = values["images"]
    right = round(values["accuracy"] * count)
    lines = [
        (f"network       {'-'.join(map(str, sizes))}, int8, on {config.rows}x{config.cols}, "
        f"target {values['target']}"),
        (f"accuracy      {right} of {count} test images, {values['accuracy']:.2%} "
        f"(NumPy: {values['reference_accuracy']:.2%})"),
        (f"accumulators  {values['accumulators_compared']} int32 compared with NumPy, "
        f"{values['accumulators_different']} differ"),
    ]
    if values["cycles"]:
        lines += [
            f"cycles        {values['cycles']}, {values['cycles_per_image']:.1f} an image",
            f"utilization   {values['utilization']:.1%}",
        ]
        for number, layer in enumerate(values["layers"], 1):
            lines.append(
                f"  layer {number}     {layer['inputs']:2} to {layer['outputs']:2}: "
                f"{layer['cycles']} cycles, {layer['utilization']:.1%}"
            )
        counters = values["counters"]
        whole = sum(counters.get(name, 0) for name in ARRAY_CAUSES)
        if whole:
            shares = [
                f"{counters[name] / whole:.1%} {about}"
                for name, about in ARRAY_CAUSES.items()
                if counters.get(name)
            ]
            lines.append("array         " + ", ".join(shares))
    lines += [
        ("on the host   bias, requantization and rectifier: the vector unit is not in this "
        "configuration"),
        (f"time          {values['device_seconds']:.2f} s in matmul, "
        f"{values['seconds']:.1f} s in all"),
        f"page          {values['page']}",
    ]
    return "\n".join(lines)
