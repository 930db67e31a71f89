"""All parts of one client, joined, and the order in which they start and stop."""
