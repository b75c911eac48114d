# SPDX-License-Identifier: Apache-2.0
"""Cycles a second of the verilated accelerator on one core, at the sizes given."""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import weft


def measure(rows: int, cols: int, axi_width: int, size: int, repeats: int) -> dict[str, float]:
    """Multiply matrices of ``size`` and return cycles and rates; the best of the repeats."""
    config = weft.Config(rows=rows, cols=cols, axi_width=axi_width)
    generator = np.random.default_rng(0)
    a, b = (generator.integers(-128, 128, (size, size), dtype=np.int8) for _ in range(2))
    began = time.perf_counter()
    with weft.open("rtl", config) as device:
        built = time.perf_counter() - began
        rates = []
        for _ in range(repeats):
            seconds, cpu = device.transport.seconds, time.process_time()
            device.matmul(a, b)
            seconds = device.transport.seconds - seconds
            cpu = min(time.process_time() - cpu, seconds)
            rates.append((device.last_run.cycles / seconds, device.last_run.cycles / cpu))
        return {
            "build": built,
            "cycles": device.last_run.cycles,
            "wall": max(rate for rate, _ in rates),
            "cpu": max(rate for _, rate in rates),
        }


def main() -> int:
    """Run the script; the status is 1 if 16 x 16 misses 100,000 cycles a second of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=["16x16"], metavar="ROWSxCOLS")
    parser.add_argument("--axi-width", type=int, default=128)
    parser.add_argument("--problem", type=int, default=256, help="M = N = K")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    status = 0
    print("array    build s    cycles   cycles/s wall   cycles/s of CPU time")
    for text in options.sizes:
        rows, cols = map(int, text.split("x"))
        figures = measure(rows, cols, options.axi_width, options.problem, options.repeats)
        print(
            f"{text:8} {figures['build']:7.1f} {figures['cycles']:9,} {figures['wall']:15,.0f} "
            f"{figures['cpu']:22,.0f}"
        )
        if (rows, cols) == (16, 16) and figures["cpu"] < 100_000:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
