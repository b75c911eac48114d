# SPDX-License-Identifier: Apache-2.0
"""One NumPy reference for each operator kind, and the interpreter that runs a graph with them."""
