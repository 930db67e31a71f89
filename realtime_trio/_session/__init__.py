"""All parts of one client, wired together, and the order in which they start and stop."""
