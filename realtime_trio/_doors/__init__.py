"""The trio side that the other doors share: calls and blocks in system tasks."""
