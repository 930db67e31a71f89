"""One link after another: proof, liveness, reconnection, recording."""
