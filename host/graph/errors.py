# SPDX-License-Identifier: Apache-2.0
"""The exception of everything that is wrong with a model or with what is fed to it."""

from __future__ import annotations

__all__ = ["ModelError"]


class ModelError(ValueError):
    """A model file or graph that is malformed, inconsistent, too large or not supported.

    The message says which tensor or operator is meant. Importers, graph checks and the
    interpreter raise nothing else for what they read.
    """
