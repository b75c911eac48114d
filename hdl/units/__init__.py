# SPDX-License-Identifier: Apache-2.0
"""Execution units: load, matmul, vector, store."""
