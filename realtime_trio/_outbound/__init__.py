"""The sending side of the client: the outbox, the turn gate, receipts and cancels."""
