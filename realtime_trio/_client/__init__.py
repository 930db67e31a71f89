"""The client that applications hold."""
