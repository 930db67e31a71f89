"""``_connection/_recording``: frames go to a file without slowing the client down."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import stat
import sys
import threading
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_trio import _replay
from realtime_trio._connection import _recording
from realtime_trio._connection._recording import Recorder
from realtime_trio._exceptions import ClosedError


def read(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.splitlines()]


class Jobs:
    """Reports each job that the writer thread has done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = trio.Event()
        self.running = 0
        self.work = Recorder._in_thread
        monkeypatch.setattr(Recorder, "_in_thread", lambda *it: self._work_and_tell(*it))

    async def _work_and_tell(self, recorder: Recorder, job: Any) -> bool:
        self.running += 1
        try:
            return await self.work(recorder, job)
        finally:
            self.running -= 1
            self.done.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition that a job makes true."""
        while not holds():
            self.done = trio.Event()
            await self.done.wait()


class Slow:
    """Blocks the writer thread until the test releases it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.line = Recorder._line
        monkeypatch.setattr(Recorder, "_line", lambda *it: self._wait_and_write(*it))

    def _wait_and_write(self, recorder: Recorder, entry: Any) -> bytes:
        assert self.go.wait(30)
        return self.line(recorder, entry)


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
async def test_a_recording_has_the_form_that_replay_reads(tmp_path: Path, name: str) -> None:
    recorder = Recorder(tmp_path / name)
    delta = '{"type":"text_delta","session_id":"s","role":"assistant","content":"Hé"}'
    async with recorder.open():
        now = trio.current_time()
        recorder.record("open", "wss://h/api/rt/ws?token=abc&agent_key=x", conn=1, at=now)
        recorder.record("out", '{"type":"ping"}', conn=1, at=now + 0.25)
        recorder.record("in", delta, conn=1, at=now + 0.5)
        recorder.record("in", b"\x01\x02", conn=1, at=now + 0.75)
        recorder.record("drop", "", conn=1, at=now + 1)
        recorder.record("open", "wss://h", conn=2, at=now + 2)
        recorder.record("close", "1000", conn=2, at=now + 3)
    lines = read(tmp_path / name)
    times = [line.pop("t") for line in lines]
    assert times == pytest.approx([times[0] + d for d in (0, 0.25, 0.5, 0.75, 1, 2, 3)], abs=1e-4)
    assert lines == [
        {"conn": "A", "dir": "open", "url": "wss://h/api/rt/ws?token=<redacted>&agent_key=x"},
        {"conn": "A", "dir": "out", "text": '{"type":"ping"}'},
        {"conn": "A", "dir": "in", "text": delta},
        {"conn": "A", "dir": "in", "data": base64.b64encode(b"\x01\x02").decode()},
        {"conn": "A", "dir": "drop", "code": None},
        {"conn": "B", "dir": "open", "url": "wss://h"},
        {"conn": "B", "dir": "close", "code": 1000},
    ]
    replay = _replay.Replay()
    raw = (tmp_path / name).read_bytes()
    for line in (gzip.decompress(raw) if name.endswith("gz") else raw).splitlines():
        replay.feed(line)
    counters = replay.state.counters
    assert (counters.events, counters.malformed) == (2, 0)
    assert recorder.statistics().written == 7
    assert recorder.statistics().dropped == 0


@given(st.lists(st.text(max_size=30) | st.binary(max_size=30), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_every_frame_is_written_in_order(tmp_path: Path, frames: list[str | bytes]) -> None:
    path = tmp_path / "any.jsonl"

    async def main() -> None:
        recorder = Recorder(path)
        async with recorder.open():
            for frame in frames:
                recorder.record("in", frame, conn=1, at=trio.current_time())

    trio.run(main)
    got = [
        line["text"] if "text" in line else base64.b64decode(line["data"]) for line in read(path)
    ]
    assert got == frames


async def test_unpaired_surrogates_are_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x")
    async with recorder.open():
        recorder.record("in", "\ud800", conn=1, at=trio.current_time())
    assert read(tmp_path / "x")[0]["text"] == "\ud800"


async def test_beyond_its_bound_it_drops_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, jobs = Slow(monkeypatch), Jobs(monkeypatch)
    recorder = Recorder(tmp_path / "x", max_lines=3)
    async with recorder.open():
        recorder.record("in", "0", conn=1, at=trio.current_time())
        await trio.testing.wait_all_tasks_blocked()  # the thread has the first
        for n in range(1, 8):
            recorder.record("in", str(n), conn=1, at=trio.current_time())
        full = recorder.statistics()
        assert (full.waiting, full.dropped, full.high_water) == (3, 4, 3)
        slow.go.set()
        await jobs.until(lambda: not (recorder.statistics().waiting or jobs.running))
        recorder.record("in", "8", conn=1, at=trio.current_time())
    lines = read(tmp_path / "x")
    assert [line.get("text") for line in lines] == ["0", "1", "2", "3", None, "8"]
    assert lines[4]["dir"] == "gap"
    assert lines[4]["lines"] == 4


async def test_bytes_are_bounded_but_one_line_always_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    recorder = Recorder(tmp_path / "x", max_bytes=10)
    async with recorder.open():
        recorder.record("in", "x" * 100, conn=1, at=0)
        await trio.testing.wait_all_tasks_blocked()
        recorder.record("in", "y" * 100, conn=1, at=0)
        recorder.record("in", "z", conn=1, at=0)
        assert recorder.statistics().waiting_bytes == sys.getsizeof("y" * 100) + _recording._LINE
        assert recorder.statistics().dropped == 1
        slow.go.set()
    lines = read(tmp_path / "x")
    assert [line["dir"] for line in lines] == ["in", "in", "gap"]


async def test_recording_never_raises_and_counts_dropped_lines(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x")
    recorder.record("in", "early", conn=1, at=0)
    async with recorder.open():
        pass
    recorder.record("in", "late", conn=1, at=0)
    assert recorder.statistics().dropped == 2
    (gap,) = read(tmp_path / "x")
    assert gap["lines"] == 1


async def test_a_failing_disk_ends_only_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_recorder: Recorder, _entry: Any) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_line", fail)
    jobs = Jobs(monkeypatch)
    recorder = Recorder(tmp_path / "x")
    async with recorder.open():
        recorder.record("in", "a", conn=1, at=0)
        await jobs.until(lambda: recorder.statistics().error is not None)
        recorder.record("in", "b", conn=1, at=0)
    told = recorder.statistics()
    assert told.error == "OSError: No space left on device"
    assert (told.written, told.dropped, told.waiting) == (0, 2, 0)


async def test_a_file_that_cannot_be_created_is_an_immediate_error(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "none" / "x")
    with pytest.raises(FileNotFoundError):
        async with recorder.open():
            raise AssertionError
    recorder.record("in", "a", conn=1, at=0)
    assert recorder.statistics().dropped == 1


async def test_a_recorder_can_be_used_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x")
    async with recorder.open():
        with pytest.raises(ClosedError, match="new Recorder"):
            async with recorder.open():
                raise AssertionError


async def test_leaving_by_a_cancel_writes_queued_lines(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "x")
    with trio.CancelScope() as scope:
        async with recorder.open():
            for n in range(3000):
                recorder.record("in", str(n), conn=1, at=0)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert len(read(tmp_path / "x")) == 3000


async def test_leaving_returns_although_the_disk_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    slow = Slow(monkeypatch)
    monkeypatch.setattr(trio.to_thread, "run_sync", _stuck(trio.to_thread.run_sync))
    recorder = Recorder(tmp_path / "x")
    async with recorder.open():
        recorder.record("in", "a", conn=1, at=0)
    assert trio.current_time() - recorder._began == pytest.approx(_recording._CLOSE_DEADLINE)
    slow.go.set()


def _stuck(run_sync: Any) -> Any:
    """``run_sync`` whose second job, the first write, never ends."""
    jobs = 0

    async def run(job: Any, **options: Any) -> Any:
        nonlocal jobs
        jobs += 1
        if jobs == 2:
            await trio.sleep_forever()
        return job()

    return run


@pytest.fixture
def without_threads(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Run the thread's jobs without taking virtual time."""

    async def run(job: Any, **_options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return job()

    monkeypatch.setattr(trio.to_thread, "run_sync", run)


def readable(path: Path) -> list[str]:
    """Return the readable frames of a file whose writer may have died."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = zlib.decompressobj(31).decompress(data)
    return [json.loads(line)["text"] for line in data.splitlines()]


@pytest.mark.usefixtures("without_threads")
@pytest.mark.parametrize("name", ["x", "x.gz"])
async def test_lines_reach_the_disk_after_a_while(tmp_path: Path, name: str) -> None:
    recorder = Recorder(tmp_path / name)
    async with recorder.open():
        recorder.record("in", "a", conn=1, at=0)
        await trio.sleep(2)
        assert readable(tmp_path / name) == ["a"]
        assert recorder.statistics().written == 1


@pytest.mark.usefixtures("without_threads")
@pytest.mark.parametrize("name", ["x", "x.gz"])
@pytest.mark.parametrize("pause", [0.02, 0.4, 0.999])
async def test_a_steady_stream_reaches_the_disk_as_well(
    tmp_path: Path, name: str, pause: float
) -> None:
    """The delay counts from the first unwritten line, so later lines do not extend it.

    The lines of a second stay below the file's own buffer, which would reach the disk earlier.
    """
    recorder = Recorder(tmp_path / name)
    async with recorder.open():
        for n in range(int(5 / pause)):
            recorder.record("in", str(n), conn=1, at=0)
            await trio.sleep(pause)
            there = readable(tmp_path / name)
            assert there == [str(i) for i in range(len(there))]
            assert (n - len(there)) * pause <= 1 + pause
            assert recorder.statistics().written == len(there)
    assert recorder.statistics().written == int(5 / pause)


@pytest.mark.usefixtures("without_threads")
async def test_lines_that_did_not_reach_the_file_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A buffer can accept what a disk cannot."""
    full = False

    class Disk(io.BytesIO):
        def flush(self) -> None:
            if full:
                raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.flush()

    disk = Disk()
    monkeypatch.setattr(Recorder, "_create", lambda _recorder: disk)
    recorder = Recorder(tmp_path / "x")
    async with recorder.open():
        recorder.record("in", "a", conn=1, at=0)
        await trio.sleep(2)
        full = True
        recorder.record("in", "b", conn=1, at=0)
        await trio.sleep(0.5)
        assert recorder.statistics().error is None
        await trio.sleep(2)
        assert recorder.statistics().error == "OSError: No space left on device"
    full = False  # Python closes the file again when it collects it
    told = recorder.statistics()
    assert (told.written, told.dropped) == (1, 1)


async def test_lines_being_written_count_as_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They still use memory; a large one is written separately."""
    slow = Slow(monkeypatch)
    recorder = Recorder(tmp_path / "x", max_bytes=1_000_000)
    async with recorder.open():
        for _ in range(4):
            recorder.record("in", "x" * 300_000, conn=1, at=0)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(4):
            recorder.record("in", "y" * 300_000, conn=1, at=0)
        told = recorder.statistics()
        assert (told.waiting, told.dropped) == (2, 5)
        slow.go.set()
    assert [line["dir"] for line in read(tmp_path / "x")] == ["in", "in", "in", "gap"]


@pytest.mark.parametrize("name", ["x", "x.gz"])
@pytest.mark.parametrize("before", [None, 0o644, 0o600])
async def test_only_the_owner_can_read_a_recording(
    tmp_path: Path, name: str, before: int | None
) -> None:
    path = tmp_path / name
    if before is not None:
        path.write_bytes(b"an older recording")
        path.chmod(before)
    mask = os.umask(0)
    try:
        async with Recorder(path).open():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(mask)


def test_a_device_keeps_its_mode() -> None:
    """Only regular files get mode 0600."""
    device = Path(os.devnull)
    before = device.stat().st_mode
    Recorder(device)._create().close()
    assert device.stat().st_mode == before


TOKEN = 'opaque/t+k n="7%é'


@pytest.mark.parametrize(
    "frame",
    [
        f"my key is {TOKEN}!",
        json.dumps({"type": "x", "content": f"it is {TOKEN}."}),
        json.dumps({"type": "x", "content": f"it is {TOKEN}."}, ensure_ascii=False),
        json.dumps({"type": "x", "input": json.dumps({"a": [TOKEN]})}),
        json.dumps({"type": "x", f"name {TOKEN}": None}),
        f"https://h/?a={urllib.parse.quote(TOKEN, safe='')}&b=c",
        f"https://h/?a={urllib.parse.quote_plus(TOKEN)}",
    ],
)
async def test_a_secret_is_hidden_everywhere(tmp_path: Path, frame: str) -> None:
    recorder = Recorder(tmp_path / "x")
    recorder.hide(TOKEN)
    async with recorder.open():
        recorder.record("open", frame, conn=1, at=0)
        recorder.record("in", frame, conn=1, at=0)
        recorder.record("out", f"a {TOKEN} b".encode(), conn=1, at=0)
    raw = (tmp_path / "x").read_text()
    assert "opaque" not in raw
    assert raw.count("redacted") == 2
    data = base64.b64decode(read(tmp_path / "x")[2]["data"])
    assert data == b"a " + bytes(len(TOKEN.encode())) + b" b"


@pytest.mark.parametrize("bounds", [{"max_lines": 0}, {"max_bytes": 0}])
def test_bounds_are_positive(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Recorder("x", **bounds)


def test_connections_are_named_by_letters() -> None:
    assert [_recording._connection_name(n) for n in (1, 2, 26, 27, 53)] == [
        "A",
        "B",
        "Z",
        "AA",
        "BA",
    ]
