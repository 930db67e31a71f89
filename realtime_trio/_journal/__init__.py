"""Storage of logs: stores, the writer of a client's log, and recovery."""
