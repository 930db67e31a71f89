"""The address and the login that the nodes of the example use."""

from __future__ import annotations

import os

import realtime_trio as rt


async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
    """Return how to dial. A real service requests this user's token here."""
    return rt.fleet.Dial(os.environ["AGENTS_URL"], auth=f"token of {claim.labels['user']}")
