"""What the client sends: the outbox, the turn gate, receipts and cancels."""
