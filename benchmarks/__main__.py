"""``python -m benchmarks``: run the benchmarks, show and store the figures."""

from __future__ import annotations

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
