# SPDX-License-Identifier: Apache-2.0
"""Program fetch, dispatch and semaphores."""
