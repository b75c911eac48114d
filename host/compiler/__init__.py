# SPDX-License-Identifier: Apache-2.0
"""From a model or a matrix product to a program of the accelerator."""
