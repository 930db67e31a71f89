"""``realtime-trio chat`` that tests a silent connection more often than every 10 seconds."""

from __future__ import annotations

import attrs

from realtime_trio.cli import _chat, main
from realtime_trio.cli._connect import PATIENT

if __name__ == "__main__":
    vars(_chat)["PATIENT"] = attrs.evolve(PATIENT, ping_interval=0.5, pong_timeout=2.0)
    main()
