# SPDX-License-Identifier: Apache-2.0
"""The demonstration: handwritten digits, classified on a simulated accelerator."""
