# SPDX-License-Identifier: Apache-2.0
"""The figures of a demonstration run, for programs and for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..hdl.config import Config
from .classify import ARRAY_CAUSES, Classification
from .page import utilization

__all__ = ["facts", "report"]

HOST = "pixels to int8 before the first layer, the largest of ten scores after the last"


def facts(
    result: Classification, config: Config, target: str, seconds: float, page: Path
) -> dict[str, Any]:
    """What ``--json`` prints."""
    whole = result.network
    return {
        "target": target,
        "images": len(result.images),
        "accuracy": result.accuracy,
        "reference_accuracy": result.reference_accuracy,
        "equal_to_reference": result.equal,
        "values_compared": result.values,
        "values_different": result.different,
        "cycles": whole.cycles or None,
        "cycles_per_image": whole.cycles / whole.images if whole.cycles else None,
        "utilization": utilization(whole.products, whole.cycles, config) or None,
        "counters": whole.counters,
        "layers": [
            {
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "cycles": layer.cycles or None,
                "utilization": utilization(layer.products, layer.cycles, config) or None,
                "counters": layer.counters,
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
        (f"outputs       {values['values_compared']} int8 values of all layers compared with "
        f"NumPy, {values['values_different']} differ"),
    ]
    if values["cycles"]:
        lines += [
            f"cycles        {values['cycles']}, {values['cycles_per_image']:.1f} an image",
            f"utilization   {values['utilization']:.1%}",
        ]
        counters = values["counters"]
        lines.append("array         " + ", ".join(
            f"{counters[name] / values['cycles']:.1%} {about}"
            for name, about in ARRAY_CAUSES.items() if counters.get(name)
        ))
        busy = counters.get("VECTOR_BUSY", 0) / values["cycles"]
        lines.append(f"vector unit   {busy:.1%} busy with bias, requantization and rectifier")
        for number, layer in enumerate(values["layers"], 1):
            lines.append(
                f"  layer {number}     {layer['inputs']:2} to {layer['outputs']:2} alone: "
                f"{layer['cycles']} cycles, {layer['utilization']:.1%}"
            )
    lines += [
        f"on the host   {HOST}",
        (f"time          {values['device_seconds']:.2f} s in four runs, "
        f"{values['seconds']:.1f} s in all"),
        f"page          {values['page']}",
    ]
    return "\n".join(lines)
