"""``realtime-trio events`` as a process."""

from __future__ import annotations

import json

import pytest

from realtime_trio import events as ev
from tests.cli.command import DATA, Call, refusal, run
from tests.cli.terminal import open_terminal


def test_the_table_shows_every_event() -> None:
    done = run("events")
    assert done.returncode == 0
    assert done.stderr == b""
    text = done.stdout.decode()
    for row in ev.REGISTRY:
        for name in (row.type, row.cls.__name__, *row.aliases):
            assert f" {name} " in text
    (cancelled,) = (line for line in text.splitlines() if " CancelledEvent " in line)
    assert [cell.strip() for cell in cancelled.split("│")][3:5] == [
        "server",
        "control, text, audio (urgent)",
    ]
    assert "``" not in text
    assert "AudioFrame" in text


def test_the_table_fits_a_narrow_terminal(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert max(map(len, call("events").lines)) <= 90


def test_a_dumb_terminal_keeps_its_width() -> None:
    with open_terminal("events", columns=60, rows=600, TERM="dumb") as terminal:
        assert terminal.status() == 0
    lines = terminal.received.decode().splitlines()
    assert 40 < max(map(len, lines)) <= 60


def test_json_schema_is_the_frozen_copy(call: Call) -> None:
    done = call("events", "--json-schema")
    assert (done.status, done.err) == (0, b"")
    assert done.out == (DATA / "schemas.json").read_bytes()


def test_asyncapi_is_one_json_document(call: Call) -> None:
    done = call("events", "--asyncapi")
    assert done.status == 0
    assert json.loads(done.out)["asyncapi"] == "3.0.0"


def test_reports_usage_errors_in_one_line(call: Call) -> None:
    assert "not both" in refusal(call, "events", "--json-schema", "--asyncapi")
    assert "--no-json-schema" in refusal(call, "events", "--no-json-schema")
    assert "extra" in refusal(call, "events", "extra")
