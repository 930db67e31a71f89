"""The thread of the blocking door: interrupts of those who wait for it, and its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

import realtime_trio as rt
from realtime_trio._lanes._waiters import Waiters
from realtime_trio.blocking import _channel, _door, _portal, _thread_wait

DELAY = 0.05


@pytest.fixture
def server() -> Iterator[rt.blocking.RealtimeServer]:
    with rt.blocking.open_server() as server:
        yield server


@pytest.fixture
def client(server: rt.blocking.RealtimeServer) -> Iterator[rt.blocking.Client]:
    with rt.blocking.open_client(server.url, auth="any") as client:
        client.ready()
        yield client


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Send Ctrl-C to the main thread, soon."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    main = threading.get_ident()
    timers: list[threading.Timer] = []

    def start() -> None:
        timers.append(threading.Timer(DELAY, signal.pthread_kill, (main, signal.SIGINT)))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join()


def test_an_interrupt_ends_a_call(
    client: rt.blocking.Client, interrupt: Callable[[], None]
) -> None:
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        client.audio.send_from(rt.audio.silence_source(60))
    client.ping().sent()


def test_an_interrupt_ends_a_receive_and_loses_nothing(
    client: rt.blocking.Client, interrupt: Callable[[], None]
) -> None:
    notes = client.subscribe(rt.MessageComplete)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        notes.receive()
    with client.ask("Hello"):
        pass
    assert notes.receive().message.content == "You said: Hello"


def test_an_interrupt_ends_the_wait_for_an_outcome(
    server: rt.blocking.RealtimeServer,
    client: rt.blocking.Client,
    interrupt: Callable[[], None],
) -> None:
    server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
    with pytest.raises(KeyboardInterrupt), client.ask("Hello") as turn:
        turn.receipt.sent()
        interrupt()
    assert isinstance(turn.outcome, (rt.TurnCancelled, rt.TurnLost))
    client.ready()


def test_an_interrupt_ends_opening(interrupt: Callable[[], None]) -> None:
    interrupt()
    with pytest.raises(KeyboardInterrupt), rt.blocking.open_client("memory://nobody", auth="any"):
        pass


def test_a_second_interrupt_does_not_wait() -> None:
    wait = _thread_wait.ThreadWait()
    main = threading.get_ident()
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    timers = [
        threading.Timer(DELAY * count, signal.pthread_kill, (main, signal.SIGINT))
        for count in (1, 2)
    ]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        wait.wait(lambda: None)
    for timer in timers:
        timer.join()
    wait.finish()
    wait.finish()
    assert wait.wait(lambda: None) is None


def test_values_stay_readable_and_calls_do_not_work_when_the_thread_has_ended() -> None:
    with (
        rt.blocking.open_server() as server,
        rt.blocking.open_client(server.url, auth="any") as client,
    ):
        client.ready()
        notes, empty = client.text.subscribe(), client.subscribe(rt.AudioOutput)
        with client.ask("Hello") as turn:
            pass
        watch = client.watch(lambda state: state.revision)
    assert isinstance(turn.outcome, rt.TurnCompleted)
    assert client.state.current_session is not None
    assert client.health.status == "closed"
    assert watch.receive() == client.state.revision
    assert "message-complete" in [note.name for note in notes]
    assert list(empty) == []
    with pytest.raises(rt.EndOfChannel):
        empty.receive_nowait()
    empty.close()
    for call in (client.ready, client.reconnect, lambda: client.ask("Hello").__enter__()):
        with pytest.raises(rt.ClosedError):
            call()
    with pytest.raises(rt.ClosedError):
        next(client.sessions())
    client.close()


def test_a_selector_may_read_the_client(client: rt.blocking.Client) -> None:
    """It runs in the client's thread, where plain members are plain calls."""
    with client.watch(lambda state: client.health.status) as changes:
        assert changes.receive() == "open"


def test_the_thread_ends_with_the_last_client(server: rt.blocking.RealtimeServer) -> None:
    with rt.blocking.open_client(server.url, auth="any"):
        pass
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("realtime_trio") == 1


def test_nothing_waits_for_a_thread_that_is_gone() -> None:
    portal = _portal.Portal()
    portal.enter()
    assert portal.leave()
    portal.join()
    with pytest.raises(rt.ClosedError):
        portal.submit(lambda: None)
    assert portal.wait(_thread_wait.ThreadWait(), lambda: None) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_opens_a_thread_of_its_own(
    server: rt.blocking.RealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = _portal._Shared.portal
    lock = _portal._Shared.lock
    _portal._forget()
    try:
        assert _portal._Shared.portal is None
        with rt.blocking.open_server(name="child"):
            assert _portal._Shared.portal is not portal
    finally:
        _portal._Shared.portal, _portal._Shared.lock = portal, lock


class _Many:
    """A channel that is never empty."""

    def receive_nowait(self) -> int:
        return 1

    def close(self) -> None:
        raise NotImplementedError


def test_one_call_fetches_at_most_64_items(client: rt.blocking.Client) -> None:
    channel = _channel.Channel(client._door, _Many(), Waiters())
    assert channel.receive() == 1
    assert len(channel._batch) == 63


def test_a_second_thread_does_not_wait_for_what_another_waits_for(
    client: rt.blocking.Client,
) -> None:
    notes = client.subscribe(rt.MessageComplete)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(notes.receive()))
    thread.start()
    while not notes._reading.locked():
        thread.join(0.001)
    with pytest.raises(rt.WouldBlock):
        notes.receive_nowait()
    with client.ask("Hello"):
        pass
    thread.join(10)
    assert len(got) == 1


@contextmanager
def _gone() -> Iterator[_door.Door]:
    """A door whose thread has ended."""
    portal = _portal.Portal()
    portal.enter()
    assert portal.leave()
    portal.join()
    yield _door.Door(portal)


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


def test_nothing_is_entered_in_a_thread_that_is_gone() -> None:
    def needs_trio() -> None:
        raise RuntimeError

    with _gone() as door:
        with pytest.raises(rt.ClosedError), door.block(_nothing(), _door.same):
            pass
        with pytest.raises(rt.ClosedError):
            door.plain(needs_trio)
        door.scope = None
        door.detach()
        assert door.closed


def test_a_run_that_is_about_to_end_accepts_nothing(
    client: rt.blocking.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("trio.lowlevel.spawn_system_task", refuse)
        with pytest.raises(rt.ClosedError):
            client.ready()
        with pytest.raises(rt.ClosedError), client.ask("Hello"):
            pass
    client.ready()
