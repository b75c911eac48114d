# SPDX-License-Identifier: Apache-2.0
"""The HTML page of the demonstration: one file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np

from ..hdl.config import Config
from .block_diagram import block_diagram
from .classify import ARRAY_CAUSES, Classification, Cost
from .digits import ATTRIBUTION
from .network import Network
from .sprite import data_uri, sprite
from .wavefront import wavefront

__all__ = ["Artifact", "excerpt", "render", "utilization"]

LARGEST_EXCERPT = 60
UNITS = ("LOAD", "MATMUL", "VECTOR", "STORE")


@dataclass(frozen=True)
class Artifact:
    """A file the demonstration wrote next to the page."""

    name: str
    size: int
    about: str


def utilization(products: int, cycles: int, config: Config) -> float:
    """Share of the multipliers' cycles that did a product of the problem."""
    return products / (config.rows * config.cols * cycles) if cycles else 0.0


def excerpt(verilog: str, module: str) -> str:
    """The text of one module, cut after `LARGEST_EXCERPT` lines; empty if there is none."""
    match = re.search(rf"^module {module}\b.*?^endmodule", verilog, re.M | re.S)
    if match is None:
        return ""
    lines = match[0].splitlines()
    if len(lines) > LARGEST_EXCERPT:
        lines = [*lines[:LARGEST_EXCERPT], "  ..."]
    return "\n".join(lines)


def _row(name: str, shape: str, cost: Cost, config: Config) -> dict[str, Any]:
    return {
        "name": name,
        "shape": shape,
        "products": cost.products,
        "cycles": cost.cycles,
        "an_image": cost.cycles / cost.images,
        "utilization": utilization(cost.products, cost.cycles, config),
        "compared": cost.values,
        "different": cost.different,
        "counters": cost.counters,
    }


def _bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One stacked bar a row: the share of each cause in the cycles of the array."""
    bars = []
    for row in rows:
        counters = row["counters"]
        whole = sum(counters.get(cause, 0) for cause in ARRAY_CAUSES)
        if whole:
            parts = [
                {"cause": cause, "about": about, "count": counters.get(cause, 0),
                 "share": counters.get(cause, 0) / whole}
                for cause, about in ARRAY_CAUSES.items()
            ]
            bars.append({"name": row["name"], "cycles": whole, "parts": parts})
    return bars


def _unit_rows(counters: dict[str, int], cycles: int) -> list[dict[str, Any]]:
    """How busy each unit was, as shares of the cycles."""
    return [
        {
            "name": unit.lower(),
            "busy": counters[f"{unit}_BUSY"] / cycles,
            "semaphore": counters[f"{unit}_WAIT_SEMAPHORE"] / cycles,
            "memory": counters[f"{unit}_WAIT_MEMORY"] / cycles,
        }
        for unit in UNITS
        if cycles and f"{unit}_BUSY" in counters
    ]


def _mistakes(result: Classification) -> list[dict[str, Any]]:
    wrong = np.flatnonzero(result.predictions != result.labels)
    return [
        {
            "index": int(index),
            "label": int(result.labels[index]),
            "prediction": int(result.predictions[index]),
            "scores": [(int(score) + 128) / 255 for score in result.scores[index]],
        }
        for index in wrong
    ]


def render(
    result: Classification,
    network: Network,
    config: Config,
    *,
    target: str,
    verilog: str,
    artifacts: list[Artifact],
    bitstream: Mapping[str, Any] | None = None,
) -> str:
    """The page as HTML text.

    Parameters
    ----------
    result : Classification
        What ran.
    network : Network
        The network that ran.
    config : Config
        The accelerator it ran on.
    target : str
        Where it ran, as `weft.open` names it.
    verilog : str
        Verilog of the accelerator, for the excerpt; may be empty.
    artifacts : list[Artifact]
        Other files of the same folder.
    bitstream : mapping or None
        Post-route figures of a board: what ``weft synth --board --json`` prints, ``title``,
        ``floorplan`` (SVG) and the ``colours`` of its units.
    """
    rows = [
        _row(f"layer {number}", f"{cost.inputs} to {cost.outputs}", cost, config)
        for number, cost in enumerate(result.layers, 1)
    ]
    total = _row("whole network", "-".join(map(str, network.sizes)), result.network, config)
    chosen = [
        int(np.flatnonzero(result.labels == label)[0])
        for label in range(10)
        if (result.labels == label).any()
    ]
    block = max(0, network.sizes[0] // config.rows // 2 - 1)
    waves = wavefront(
        network.encode(result.images[chosen]), network.layers[0].weight,
        config.rows, config.cols, block,
    )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = (resources.files("weft") / "data" / "demo.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        result=result,
        config=config,
        target=target,
        sizes=network.sizes,
        rows=rows,
        total=total,
        bars=_bars([total, *rows]),
        causes=ARRAY_CAUSES,
        units=_unit_rows(total["counters"], total["cycles"]),
        mistakes=_mistakes(result),
        sprite=data_uri(sprite(result.images)),
        diagram=block_diagram(config),
        waves=waves | {"digits": chosen, "labels": [int(result.labels[i]) for i in chosen]},
        wave_inputs=(block * config.rows, (block + 2) * config.rows - 1),
        excerpt=excerpt(verilog, "weft_pe"),
        artifacts=artifacts,
        bitstream=bitstream,
        attribution=ATTRIBUTION,
    )
