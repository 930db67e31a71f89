"""The conversation rules, one file per group."""
