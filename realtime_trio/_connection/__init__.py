"""The connection over successive links: proof, liveness, reconnection, recording."""
