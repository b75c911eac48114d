# SPDX-License-Identifier: Apache-2.0
"""Parts of cocotb benches: the runner and stream drivers."""
