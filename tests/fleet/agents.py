"""Where the nodes of the process test dial to: ``--dial tests.fleet.agents:dial``."""

from __future__ import annotations

import os

from realtime_trio.fleet import Claim, Dial


async def dial(claim: Claim) -> Dial:
    """Every session talks to the embedded server of the test."""
    return Dial(os.environ["FLEET_TEST_URL"], auth=f"token-of-{claim.session}")
