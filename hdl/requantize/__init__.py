# SPDX-License-Identifier: Apache-2.0
"""Datapaths that scale int32 results, one for each numeric convention."""
