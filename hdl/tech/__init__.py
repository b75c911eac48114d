# SPDX-License-Identifier: Apache-2.0
"""What FPGA families do differently: multipliers, and the simulation models of their blocks."""
