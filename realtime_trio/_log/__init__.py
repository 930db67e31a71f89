"""The core of the log: entries, blocks, snapshots, digests and the fold. Values only, no I/O."""
