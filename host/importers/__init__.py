# SPDX-License-Identifier: Apache-2.0
"""Model files to graphs: one module a format."""
