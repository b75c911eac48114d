# SPDX-License-Identifier: Apache-2.0
"""Serial execution: one instruction at a time, by a microprogram."""
