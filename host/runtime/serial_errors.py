# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the host link."""

from __future__ import annotations

from ..hdl.link.protocol import Status
from .errors import DeviceError

__all__ = [
    "BusAccessError",
    "LinkError",
    "LinkNoiseError",
    "NoAnswerError",
    "PortError",
    "WrongIdentityError",
]


class LinkError(DeviceError):
    """The link to a board failed."""


class PortError(LinkError, OSError):
    """The serial port cannot be opened, or has gone."""


class NoAnswerError(LinkError, TimeoutError):
    """Nothing came back."""


class LinkNoiseError(LinkError):
    """Something came back, but nothing undamaged, however often it was tried."""


class WrongIdentityError(LinkError):
    """What answers is no Weft board, or one of another version."""


class BusAccessError(LinkError):
    """The board was reached, but an access on its bus failed.

    Parameters
    ----------
    what : str
        The access.
    status : Status
        How it ended.
    address : int
        Byte address of the word that failed; all words before it were accessed.
    """

    def __init__(self, what: str, status: Status, address: int) -> None:
        self.status = status
        self.address = address
        reasons = {
            Status.SLAVE_ERROR: "the access was refused (SLVERR)",
            Status.DECODE_ERROR: "there is nothing at that address (DECERR)",
            Status.BAD_REQUEST: "the board does not know such a request; its gateware may be of "
            "another version than this software",
            Status.TIMEOUT: "the bus did not answer; reset the board",
        }
        super().__init__(f"{what} at {address:#x} failed: {reasons[status]}")
