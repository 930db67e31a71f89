"""Links one after another: proof, liveness, reconnection, recording."""
