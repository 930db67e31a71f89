"""The embedded server: the whole protocol in this process, for tests, demos and development."""
