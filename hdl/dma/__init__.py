# SPDX-License-Identifier: Apache-2.0
"""AXI4 readers and writers."""
