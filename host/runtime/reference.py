# SPDX-License-Identifier: Apache-2.0
"""The reference target: NumPy, no program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ..compiler.gemm import check_sizes
from ..compiler.program import Program
from ..sim import reference
from .device import Device
from .errors import TargetError
from .run import Run

__all__ = ["ReferenceDevice"]


class ReferenceDevice(Device):
    """Answers from `weft.sim.reference`.

    >>> from weft import Config
    >>> with ReferenceDevice(Config()) as device:
    ...     device.matmul(np.ones((2, 3), np.int8), np.ones((3, 2), np.int8)).tolist()
    [[3, 3], [3, 3]]
    """

    target = "reference"

    def _matmul(self, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
        (m, k), n = a.shape, b.shape[1]
        check_sizes(self.config, m, n, k)
        self._last_run = Run(
            self.target, None, m * n * k, self.config.rows * self.config.cols,
            self._roofline(m, n, k),
        )
        return reference.matmul(a, b)

    def run_program(
        self,
        program: Program,
        memory: Mapping[int, NDArray[np.generic]] | None = None,
        segments: Mapping[int, int] | None = None,
    ) -> NoReturn:
        """Refused: the reference has no instructions; use ``simulator``."""
        raise TargetError(
            "the reference target computes products without a program; open 'simulator' or 'rtl' "
            "to run one"
        )
