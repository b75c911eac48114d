# SPDX-License-Identifier: Apache-2.0
"""Processing elements of the array."""
