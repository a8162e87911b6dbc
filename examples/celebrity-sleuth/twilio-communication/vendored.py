"""Makes the packages in `vendor` importable: import this before them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "vendor"))
