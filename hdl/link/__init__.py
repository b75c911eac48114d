# SPDX-License-Identifier: Apache-2.0
"""Host link: UART, framing, and the engine that turns requests into bus accesses."""
