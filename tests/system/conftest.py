# SPDX-License-Identifier: Apache-2.0
"""System tests: their own modules on the path, and models that build fast."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("WEFT_RTL_OPTIMIZE", "build")
