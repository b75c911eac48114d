# SPDX-License-Identifier: Apache-2.0
"""Bit-exact reference, simulators and bench parts."""
