# SPDX-License-Identifier: Apache-2.0
"""The data set of the demonstration and the network trained on it, as the package carries them.

Data: Optical Recognition of Handwritten Digits by E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0; the 1797 images of its test
file, unchanged but for the storage format.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .network import Network

__all__ = ["ATTRIBUTION", "load_digits", "load_network"]

ATTRIBUTION = (
    "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository, 1998, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/). The 1797 images of optdigits.tes, repacked."
)
"""Credit that goes with every copy of the data; the data file holds the same text."""


def _path(name: str) -> Path:
    return Path(str(resources.files("weft"))) / "data" / name


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Every image, shape [1797, 64] with values 0 to 16, and every label, shape [1797]."""
    with np.load(_path("digits.npz")) as arrays:
        return arrays["images"], arrays["labels"]


def load_network() -> Network:
    """The trained and quantized network."""
    return Network.load(_path("digits_network.npz"))
