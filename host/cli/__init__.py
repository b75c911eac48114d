# SPDX-License-Identifier: Apache-2.0
"""The `weft` command line.

Every module of this package whose name does not start with an underscore is a subcommand: it
defines ``command``, made with `weft.cli._command.subcommand`. Nothing else registers it. Modules
keep heavy imports inside their functions, so that ``weft --help`` is fast.
"""

from ._main import main

__all__ = ["main"]
