# SPDX-License-Identifier: Apache-2.0
"""The figures of the documentation are those that the script draws now."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("block_diagram.svg", "pipeline.svg", "vector_pipeline.svg", "wavefront.svg")


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_current(name: str) -> None:
    spec = importlib.util.spec_from_file_location("draw", ROOT / "scripts" / "draw_figures.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.FIGURES) == set(NAMES)
    text = script.FIGURES[name]()
    ElementTree.fromstring(text)
    stored = (ROOT / "docs" / "images" / name).read_text(encoding="utf-8")
    assert stored == text, "run scripts/draw_figures.py"


def test_every_figure_is_shown() -> None:
    pages = "".join(
        path.read_text(encoding="utf-8") for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md"]
    )
    for name in NAMES:
        assert f"images/{name})" in pages
