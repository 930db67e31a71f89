"""The dial function for the nodes of ``test_node_command``."""

from __future__ import annotations

import os

from realtime_trio.fleet import Claim, Dial

NOT_A_FUNCTION = 17


async def dial(claim: Claim) -> Dial:
    """Dial the server of the test, as the user in the label."""
    return Dial(os.environ["NODE_TEST_URL"], auth=claim.labels["user"])
