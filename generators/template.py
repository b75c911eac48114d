# SPDX-License-Identifier: Apache-2.0
"""The templates of this package, and names that several of them use."""

from __future__ import annotations

import functools
from importlib import metadata
from typing import Any

import jinja2

__all__ = ["render", "weft_version"]


def weft_version() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("weft")
    except metadata.PackageNotFoundError:
        return "0.0.0"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(enabled_extensions=("svd.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["hex"] = lambda value, digits=8: f"0x{value:0{digits}X}"
    environment.filters["sentence"] = lambda text: text[:1].upper() + text[1:].rstrip(".") + "."
    return environment


def render(template: str, **values: Any) -> str:
    """Fill a template; a name it uses and does not get is an error."""
    return _environment().get_template(template).render(version=weft_version(), **values)
