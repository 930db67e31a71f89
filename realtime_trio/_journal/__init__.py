"""Where logs are kept and how a client writes one: stores, writer, recovery."""
