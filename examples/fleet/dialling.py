"""Where the nodes of the example dial to, and as whom."""

from __future__ import annotations

import os

import realtime_trio as rt


async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
    """A real service asks for the token of this user here."""
    return rt.fleet.Dial(os.environ["AGENTS_URL"], auth=f"token of {claim.labels['user']}")
