"""Five traces, each with the notifications that an application must receive.

The expected files were written independently of this library: their ids, their timestamps and the
texts of their processing errors are only examples, so both sides are normalised before they are
compared. Everything else counts, including the order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_trio._core._render import notification_to_json, state_to_json
from realtime_trio._processor import EventStreamProcessor

from .talk import Json

DATA = Path(__file__).parents[1] / "data" / "replay"
NAMES = sorted(path.name for path in DATA.glob("*.jsonl") if not path.name.endswith(".out.jsonl"))
EPOCH = 946_684_800.0


def lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def replay(path: Path) -> list[Json]:
    """Return what ``replay --json`` prints."""
    processor, now, notes = EventStreamProcessor(), EPOCH, list[Json]()
    for number, line in enumerate(lines(path)):
        if "__ctl" in line:
            now += line["ms"] / 1000
            continue
        notes.extend(
            {"event": number, **notification_to_json(note)}
            for note in processor.process_event(line, at=now)
        )
    return [*notes, {"state": state_to_json(processor.state)}]


class Normaliser:
    """Normalises ids, times and texts that each side can choose freely."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def _id(self, value: str) -> str:
        return self._ids.setdefault(value, f"<{len(self._ids)}>")

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self(item) for item in value]
        if not isinstance(value, dict):
            return value
        ours = "timestamp" in value or "foreign_content" in value  # a message, or media
        made = {name: self(inner) for name, inner in value.items()}
        if ours:
            made["id"] = self._id(value["id"])
        for name in ("timestamp", "error"):
            if isinstance(value.get(name), str):
                made[name] = f"<{name}>"
        if "message_id" in value:
            made["message_id"] = self._id(value["message_id"])
        return made


def test_there_are_five_examples() -> None:
    assert len(NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_the_notifications_match_the_example(name: str) -> None:
    notes = replay(DATA / name)
    expected = lines(DATA / name.replace(".jsonl", ".out.jsonl"))
    ours, theirs = Normaliser(), Normaliser()
    # The examples omit the control lane's immediate notification of a cancel, although the
    # description of the format has it. Our output has it; a test below checks it.
    notes = [note for note in notes if note.get("name") != "turn-cancelled"]
    # They also omit the counter of tolerated events, because they have none.
    expected[-1]["state"]["counters"]["tolerated"] = 0
    for got, wanted in zip(notes, expected, strict=True):
        assert ours(got) == theirs(wanted)


def test_a_cancel_is_also_reported_immediately() -> None:
    notes = replay(DATA / "cancel_mid_text.jsonl")
    at_cancel = [note["name"] for note in notes if note.get("event") == 10]
    assert at_cancel == ["turn-cancelled", "message-complete", "response-cancelled"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_trace_gives_the_same_output(name: str) -> None:
    assert json.dumps(replay(DATA / name)) == json.dumps(replay(DATA / name))


def test_times_follow_the_clock_of_the_replay() -> None:
    """The example writes 6000 ms as 6 ms after the first message; ours are milliseconds."""
    state = replay(DATA / "cancel_mid_text.jsonl")[-1]["state"]
    [session] = state["sessions"].values()
    assert [message["timestamp"] for message in session["messages"]] == [
        "2000-01-01T00:00:00.000000Z",
        "2000-01-01T00:00:00.000000Z",
        "2000-01-01T00:00:06.000000Z",
        "2000-01-01T00:00:06.000000Z",
    ]
