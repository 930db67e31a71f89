"""``realtime-trio chat`` that tests a silent connection more often than every 10 seconds."""

from __future__ import annotations

import attrs

from realtime_trio.cli import _chat, main

if __name__ == "__main__":
    _chat.PATIENT = attrs.evolve(_chat.PATIENT, ping_interval=0.5, pong_timeout=2.0)
    main()
