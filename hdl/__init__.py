# SPDX-License-Identifier: Apache-2.0
"""The hardware of Weft: one Amaranth component a file."""
