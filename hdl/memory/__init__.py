# SPDX-License-Identifier: Apache-2.0
"""On-chip memories: scratchpads and accumulator."""
