"""What a stranger may send, and what it may cost."""
