"""The golden corpus holds: a change of meaning raises ``FOLD``, and old bytes stay readable."""

from __future__ import annotations

import json

import pytest

from realtime_trio._log._log_block import decode_block
from realtime_trio._log._state_snapshot import FOLD, digest, digest_cut, read_snapshot
from tests.log import golden

STORED = json.loads(golden.DIGESTS.read_text())
TRACES = golden.traces()


def test_the_corpus_is_of_this_fold() -> None:
    assert STORED["fold"] == FOLD, "run `python -m tests.log.golden` after raising FOLD"
    assert set(STORED["digests"]) == set(TRACES)


@pytest.mark.parametrize("name", TRACES)
def test_a_trace_folds_to_the_state_that_it_always_gave(name: str) -> None:
    state = golden.folded(TRACES[name]).state
    assert digest(state) == STORED["digests"][name], (
        "a handler or a slice has changed its meaning: raise FOLD in _log/_state_snapshot.py"
    )


def test_a_block_of_the_first_version_can_be_read() -> None:
    block = decode_block(golden.OLD_BLOCK.read_bytes())
    assert [item for _, _, item in block.items()] == golden.small_story()


def test_a_snapshot_of_the_first_version_can_be_read() -> None:
    snapshot = read_snapshot(golden.OLD_SNAPSHOT.read_bytes())
    assert snapshot is not None
    assert digest_cut(snapshot.cut) == digest(golden.folded(golden.small_story()).state)
