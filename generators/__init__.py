# SPDX-License-Identifier: Apache-2.0
"""From a configuration to files: Verilog, register maps, core files, reports."""
