# SPDX-License-Identifier: Apache-2.0
"""Refresh the generated parts of the reference pages, or check that they are fresh.

Generated text stands between ``<!-- generated: NAME -->`` and ``<!-- end of generated: NAME -->``;
everything else in a page is written by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from weft.generators.link_reference import link_reference
from weft.generators.markdown import instruction_reference, register_reference

DOCS = Path(__file__).resolve().parent.parent / "docs"
PARTS = {
    "registers.md": ("registers", register_reference),
    "isa.md": ("instructions", instruction_reference),
    "link.md": ("link", link_reference),
}


def refreshed(page: str, name: str, text: str) -> str:
    """``page`` with the part called ``name`` replaced by ``text``."""
    start, end = f"<!-- generated: {name} -->", f"<!-- end of generated: {name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise ValueError(f"the markers {start!r} and {end!r} must each occur once")
    before, rest = page.split(start)
    _, after = rest.split(end)
    return f"{before}{start}\n{text.strip()}\n{end}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on drift")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the pages")
    options = parser.parse_args(arguments)
    stale = 0
    for file, (name, generate) in PARTS.items():
        path = options.docs / file
        page = path.read_text(encoding="utf-8")
        fresh = refreshed(page, name, generate())
        if fresh == page:
            continue
        if options.check:
            stale += 1
            print(f"{path} has drifted; run: python scripts/generate_docs.py", file=sys.stderr)
        else:
            path.write_text(fresh, encoding="utf-8")
            print(f"wrote {path}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
