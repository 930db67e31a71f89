"""``python -m benchmarks``: asks the questions, shows the figures, keeps them."""

from __future__ import annotations

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
