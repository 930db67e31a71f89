"""``_trace_lines``: which files it accepts and rejects, and how much memory it uses."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.cli import _trace_lines
from realtime_trio.cli._command_error import CommandError
from realtime_trio.cli._trace_lines import open_lines
from tests.cli.command import Call, environment, refusal, run
from tests.cli.test_standard_streams import shell
from tests.source import PACKAGE, ROOT

EVENT = b'{"type":"error","message":"Too bad"}\n'
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\xff"


def lines_of(path: Path) -> list[bytes]:
    with open_lines(str(path)) as lines:
        return list(lines)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# -- what is no trace ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        PNG,
        bytes(range(256)) * 64,
        b'[tool]\nname = "x"\nlist = [1, 2]\n',
        b"def f():\n    return {}\n",
        b"# A page\n\nwords\n",
        b'[\n{"type": "error", "message": "x"},\n{"type": "ping"}]\n',
        b'{\n  "type": "error"\n}\n',
        b'1\nnull\n[]\n"{}"\n',
        "{'type': 'error'}\n".encode("utf-16"),
        b"x",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [[], ["--json"], ["--json", "--at", "0"]])
def test_rejects_a_file_without_a_json_object(
    tmp_path: Path, call: Call, content: bytes, packed: bool, options: list[str]
) -> None:
    file = write(tmp_path / "file", gzip.compress(content) if packed else content)
    said = refusal(call, "replay", file, *options)
    assert said == f"{file} is not a trace: none of its lines is a JSON object"


def test_rejects_source_files(call: Call) -> None:
    for path in ("pyproject.toml", "README.md", "Makefile", "realtime_trio/_replay.py"):
        assert "is not a trace" in refusal(call, "replay", ROOT / path)
    assert "is not a trace" in refusal(call, "replay", Path(sys.executable).resolve())
    assert "Is a directory" in refusal(call, "replay", ROOT)


def test_rejects_standard_input_that_is_not_a_trace() -> None:
    done = run("replay", "--json", "-", stdin=PNG)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == (
        b"realtime-trio: standard input is not a trace: none of its lines is a JSON object\n"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n\t\r\n", b"{}", b'garbage\n{"__ctl":"advance","ms":1}\n', b"\xff\n\x00\n{}\n"],
)
def test_accepts_one_object_and_an_empty_file(tmp_path: Path, call: Call, content: bytes) -> None:
    file = write(tmp_path / "file", content)
    assert lines_of(file) == content.splitlines(keepends=True)
    assert call("replay", "--json", file).status == 0


def test_lines_before_the_first_object_keep_their_numbers(tmp_path: Path, call: Call) -> None:
    done = call("replay", "--json", write(tmp_path / "file", b"x\n\ny\n" + EVENT))
    told = [json.loads(line) for line in done.lines[:-1]]
    assert [(each["event"], each["name"]) for each in told] == [
        (0, "processing-error"),
        (2, "processing-error"),
        (3, "system-notification"),
    ]


def test_ignores_a_byte_order_mark(tmp_path: Path) -> None:
    for packed in (EVENT, gzip.compress(EVENT)):
        file = write(tmp_path / "file", b"\xef\xbb\xbf" * (packed is EVENT) + packed)
        assert lines_of(file) == [EVENT]


@given(st.lists(st.binary(max_size=8) | st.just(EVENT[:-1]), max_size=8), st.booleans())
def test_yields_the_lines_unchanged(parts: list[bytes], packed: bool) -> None:
    data = b"\n".join([EVENT[:-1], *parts])
    raw = cast("io.RawIOBase", io.BytesIO(gzip.compress(data) if packed else data))
    lines = _trace_lines._lines_of_a_trace(io.BufferedReader(raw), "x")
    assert b"".join(lines) == data


# -- limits --------------------------------------------------------------------------------


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_trace_lines, "MAX_LINE", 100)
    monkeypatch.setattr(_trace_lines, "_MAX_LINES", 5)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("before", [b"", EVENT, EVENT * 40])
@pytest.mark.parametrize("packed", [False, True])
def test_limits_the_length_of_a_line(tmp_path: Path, before: bytes, packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    longest = b'{"x":"' + b"y" * 92 + b'"}'
    for end in (b"\n", b""):
        file = write(tmp_path / "file", pack(before + longest + end))
        assert lines_of(file)[-1] == longest + end
        file = write(tmp_path / "file", pack(before + b" " + longest + end))
        with pytest.raises(CommandError, match="a line is longer than") as refused:
            lines_of(file)
        assert refused.value.status == 2


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("content", "number"), [(b"x\n" * 5, 5), (b"\n" * 9, 5), (b"z" * 60 + b"\n", 2)]
)
def test_rejects_a_file_that_begins_with_too_much_other_text(
    tmp_path: Path, content: bytes, number: int
) -> None:
    file = write(tmp_path / "file", content * 2 + EVENT)
    told = f"none of its first {number} lines is a JSON object"
    with pytest.raises(CommandError, match=told) as refused:
        lines_of(file)
    assert refused.value.status == 2


def bomb(begin: bytes, filling: bytes) -> bytes:
    """A few kilobytes that unpack to two gibibytes."""
    member = gzip.compress(filling * (2**24 // len(filling)), 9)
    return gzip.compress(begin) + member * 128


@pytest.mark.parametrize("begin", [b"", EVENT], ids=["nothing", "event"])
@pytest.mark.parametrize("filling", [b"\x00", b" ", b"["], ids=repr)
def test_rejects_a_gzip_bomb_in_bounded_memory(
    tmp_path: Path, begin: bytes, filling: bytes
) -> None:
    file = write(tmp_path / "bomb.gz", bomb(begin, filling))
    done = shell('ulimit -v 1048576; "$@"', "replay", "--json", file)
    assert (
        done.stderr.decode()
        == f"realtime-trio: {file}: a line is longer than the limit of 64 MiB\n"
    )
    assert done.returncode == 2


def test_rejects_a_bomb_of_line_breaks(tmp_path: Path) -> None:
    file = write(tmp_path / "bomb.gz", bomb(b"", b"\n"))
    done = shell('ulimit -v 1048576; "$@"', "replay", "--json", file)
    assert b"none of its first 1,000,000 lines is a JSON object" in done.stderr
    assert (done.returncode, done.stdout) == (2, b"")


# -- damage --------------------------------------------------------------------------------

LONG = EVENT + b"".join(b'{"type":"nope","n":%d}\n' % n for n in range(20_000))


@pytest.mark.parametrize("end", [b"", b"garbage behind it"], ids=["cut", "garbage"])
def test_replays_the_lines_before_the_damage(tmp_path: Path, call: Call, end: bytes) -> None:
    packed = gzip.compress(LONG)
    file = write(tmp_path / "file", packed + end if end else packed[: len(packed) // 2])
    done = call("replay", "--json", file)
    assert done.status == 1
    assert done.err.count(b"\n") == 1
    assert b"the lines before that were replayed" in done.err
    assert json.loads(done.lines[0])["content"] == "Too bad"
    unknown = json.loads(done.lines[-1])["state"]["counters"]["unknown"]
    assert unknown == 20_000 if end else 5_000 < unknown < 20_000


def test_damage_costs_only_a_few_lines(tmp_path: Path, call: Call) -> None:
    packed = bytearray(gzip.compress(LONG))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    done = call("replay", "--json", write(tmp_path / "file", bytes(packed)))
    assert done.status == 1
    assert json.loads(done.lines[-1])["state"]["counters"]["unknown"] > 5_000


@pytest.mark.parametrize("size", [2, 5, 12, 20])
def test_damage_before_the_first_event_leaves_nothing_to_replay(
    tmp_path: Path, call: Call, size: int
) -> None:
    file = write(tmp_path / "file", gzip.compress(EVENT)[:size])
    assert "damaged or end early" in refusal(call, "replay", "--json", file)


def test_yields_the_lines_of_a_pipe_immediately() -> None:
    """They do not wait for a full buffer."""
    with subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-m", PACKAGE, "replay", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(EVENT)
        process.stdin.flush()
        assert b"Too bad" in process.stdout.readline()
        process.stdin.close()
    assert process.returncode == 0


def test_reports_a_file_that_cannot_be_read(tmp_path: Path, call: Call) -> None:
    fifo = tmp_path / "x" / "y"
    assert "No such file or directory" in refusal(call, "replay", fifo)
    if os.path.exists("/proc/self/mem"):
        assert "cannot read /proc/self/mem: Input/output error" in refusal(
            call, "replay", "/proc/self/mem"
        )
