# SPDX-License-Identifier: Apache-2.0
"""The table of ``scripts/bench_models.py``."""

import os
import subprocess
import sys

import pytest
from shared_models import ROOT, models_folder


def table(*options):
    """Lines that the script prints."""
    environment = {**os.environ, "WEFT_SHARED": str(models_folder().parent)}
    done = subprocess.run([sys.executable, ROOT / "scripts" / "bench_models.py", *options],
                          env=environment, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


def check(lines, kinds):
    text = "\n".join(lines)
    assert "WRONG" not in text
    for name in ("ResNet-8", "DS-CNN", "autoencoder"):
        (row,) = (line.split() for line in lines if line.split()[:1] == [name])
        macs, cycles, frames = (int(row[place].replace(",", "")) for place in (1, 3, 5))
        assert row[4] == f"{macs / (16 * 16 * cycles):.1%}"
        assert frames == round(1e8 / cycles)
    assert all(kind in text for kind in kinds)


def test_estimates():
    lines = table("--target", "simulator")
    assert "estimates of the cost model" in lines[0]
    check(lines, ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "AVERAGE_POOL_2D", "FULLY_CONNECTED"))


@pytest.mark.full
def test_simulated_rtl():
    lines = table()
    assert "measured in simulated RTL" in lines[0]
    check(lines, ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "AVERAGE_POOL_2D", "multiplying"))
