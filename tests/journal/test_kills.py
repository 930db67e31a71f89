"""``kill -9``: the short form of ``make soak``."""

from __future__ import annotations

from pathlib import Path

from tests.journal.killing import kill


def test_killed_lives_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    kill(3, tmp_path, seed=1)
