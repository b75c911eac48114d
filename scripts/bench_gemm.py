# SPDX-License-Identifier: Apache-2.0
"""Table of matrix products: estimated cycles and, with ``--target rtl``, measured ones.

    python scripts/bench_gemm.py --target simulator
    python scripts/bench_gemm.py --target rtl --shape 128x256x256 --shape 1x1024x1024

Utilization is MACs / (rows * cols * cycles); the roofline is the larger of compute and compulsory
DRAM traffic; cycles count from start to interrupt, DRAM latency 30.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import weft
from weft.sim import reference

SHAPES = (
    "128x256x256", "256x256x256", "512x512x512", "1024x1024x1024", "1x1024x1024", "1024x1x1024",
    "1024x1024x1", "100x100x100", "64x64x64", "16x16x16", "1x1x1",
)
"""M x N x K of the default table."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=["simulator", "rtl"], default="simulator")
    parser.add_argument("--preset", default="default", help="configuration (default: default)")
    parser.add_argument("--rows", type=int, help="rows of the array")
    parser.add_argument("--cols", type=int, help="columns of the array")
    parser.add_argument("--axi-width", type=int, help="bits of the memory port")
    parser.add_argument("--latency", type=int, default=30, help="DRAM latency in cycles (rtl)")
    parser.add_argument("--shape", action="append", metavar="MxNxK", help="instead of the table")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def main() -> int:
    """Print the table; the exit status says whether all products were right."""
    arguments = parse()
    names = ("rows", "cols", "axi_width")
    changes = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    config = weft.Config.preset(arguments.preset, **changes)
    options = {"latency": arguments.latency} if arguments.target == "rtl" else {}
    random = np.random.default_rng(arguments.seed)
    print(f"{config.rows}x{config.cols}, {config.axi_width}-bit AXI, {arguments.target}, "
          f"DRAM latency {arguments.latency}")
    print(f"{'M x N x K':>16} {'instr.':>7} {'estimate':>9} {'util.':>7} {'roofl.':>7} "
          f"{'measured':>9} {'util.':>7} {'roofl.':>7} {'est./meas.':>10} {'seconds':>8}")
    correct = True
    with weft.open(arguments.target, config, **options) as device:
        for shape in arguments.shape or SHAPES:
            m, n, k = (int(part) for part in shape.split("x"))
            begin = time.perf_counter()
            info = weft.compile_gemm(config, m, n, k).info
            a = random.integers(-128, 128, (m, k), dtype=np.int8)
            b = random.integers(-128, 128, (k, n), dtype=np.int8)
            equal = bool(np.array_equal(device.matmul(a, b), reference.matmul(a, b)))
            correct &= equal
            run, estimate = device.last_run, info["estimated_cycles"]
            peak = config.rows * config.cols
            line = (f"{shape:>16} {run.instructions:7} {estimate:9} "
                    f"{m * n * k / peak / estimate:7.1%} {run.roofline_cycles / estimate:7.1%} ")
            if run.cycles:
                line += (f"{run.cycles:9} {run.utilization:7.1%} {run.roofline_share:7.1%} "
                         f"{estimate / run.cycles:10.3f} ")
            else:
                line += f"{'-':>9} {'-':>7} {'-':>7} {'-':>10} "
            print(line + f"{time.perf_counter() - begin:8.1f}" + ("" if equal else "  WRONG"))
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
