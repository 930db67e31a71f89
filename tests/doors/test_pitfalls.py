"""What goes wrong where loops meet: each has a clear error, or ends well."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import uvloop

import realtime_trio as rt
from realtime_trio.aio import _guest
from realtime_trio.aio._opening import opened
from tests.source import ROOT

Kept = list[AbstractAsyncContextManager[Any]]


async def _converse() -> None:
    async with (
        rt.aio.open_server() as server,
        rt.aio.open_client(server.url, auth="any") as client,
    ):
        await client.ready()


async def _left_open() -> Kept:
    server = rt.aio.open_server()
    client = rt.aio.open_client((await server.__aenter__()).url, auth="any")
    await (await client.__aenter__()).ready()
    return [server, client]


# -- the wrong door ------------------------------------------------------------------------


def test_the_native_client_in_asyncio_names_aio() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"rt\.aio\.open_client"):
            async with rt.open_client("http://127.0.0.1:9", auth="any"):
                pass

    asyncio.run(main())


OPENING: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "open_fleet": lambda: rt.fleet.open_fleet(rt.fleet.MemoryLog()),
    "open_history": lambda: rt.open_history("calls.db"),
    "open_microphone": rt.audio.open_microphone,
    "open_node": lambda: rt.fleet.open_node(rt.fleet.MemoryLog(), _no_dial),
    "open_server": rt.server.open_server,
    "open_speaker": rt.audio.open_speaker,
    "open_wav_sink": lambda: rt.audio.open_wav_sink("answer.wav"),
}


async def _no_dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
    raise NotImplementedError


@pytest.mark.parametrize("name", OPENING)
def test_whatever_is_opened_natively_in_asyncio_names_both_doors(name: str) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=rf"rt\.aio\.{name} .* rt\.blocking\.{name}"):
            async with OPENING[name]():
                pass

    asyncio.run(main())
    assert {name, "open_client"} <= set(rt.aio.__all__) & set(rt.blocking.__all__)
    assert {each for each in rt.aio.__all__ if each.startswith("open_")} == {
        *("open_client", *OPENING)
    }


def test_the_blocking_client_in_a_loop_names_the_door() -> None:
    async def main(door: str) -> None:
        with (
            pytest.raises(RuntimeError, match=door),
            rt.blocking.open_client("http://127.0.0.1:9", auth="any"),
        ):
            pass
        with pytest.raises(RuntimeError, match=door):
            client.ready()
        with pytest.raises(RuntimeError, match=door):
            notes.receive()

    with (
        rt.blocking.open_server() as server,
        rt.blocking.open_client(server.url, auth="any") as client,
        client.subscribe(rt.AudioOutput) as notes,
    ):
        asyncio.run(main(r"rt\.aio"))
        trio.run(main, r"rt\.open_client")


def test_aio_in_trio_names_the_native_client() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"rt\.open_client"):
            async with rt.aio.open_client("memory://nobody", auth="any"):
                pass

    trio.run(main)


def test_a_thread_has_one_run_of_trio() -> None:
    async def main() -> None:
        async with rt.aio.open_server():
            with pytest.raises(RuntimeError, match="inside a run"):
                trio.run(trio.sleep, 0)

    asyncio.run(main())
    trio.run(trio.sleep, 0)


def test_a_client_belongs_to_one_loop() -> None:
    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):

            async def elsewhere() -> None:
                with pytest.raises(RuntimeError, match="another loop"):
                    await client.ready()

            await asyncio.to_thread(asyncio.run, elsewhere())

    asyncio.run(main())


def test_two_loops_of_one_thread_do_not_share() -> None:
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    kept = first.run_until_complete(_left_open())
    with pytest.raises(RuntimeError, match="another loop of this thread"):
        second.run_until_complete(_converse())
    for manager in reversed(kept):
        first.run_until_complete(manager.__aexit__(None, None, None))
    second.run_until_complete(_converse())
    first.close()
    second.close()


def test_an_in_memory_server_is_for_its_own_run() -> None:
    async def elsewhere(url: str) -> None:
        with pytest.raises(rt.ConnectionFailed, match="another run of trio"):
            async with rt.aio.open_client(url, auth="any"):
                pass

    with rt.blocking.open_server() as server:
        asyncio.run(elsewhere(server.url))


# -- loops that end ------------------------------------------------------------------------


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_that_is_closed_with_a_client_open(new_loop: Any) -> None:
    loop = new_loop()
    kept = loop.run_until_complete(_left_open())
    with pytest.warns(ResourceWarning, match="still open"):
        loop.close()
    asyncio.run(_converse())
    trio.run(trio.sleep, 0)
    assert kept


def test_a_loop_that_shuts_down_with_a_client_open() -> None:
    with pytest.warns(ResourceWarning, match="still open"):
        kept = asyncio.run(_left_open())
    asyncio.run(_converse())
    trio.run(trio.sleep, 0)
    assert kept


def test_a_task_that_is_thrown_away() -> None:
    loop = asyncio.new_event_loop()

    async def forever() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            await client.ready()
            async with client.ask("Hello") as turn:
                await turn.wait()
                await asyncio.sleep(60)

    task = loop.create_task(forever())
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.set_exception_handler(lambda loop, context: None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.close()
        del task
        gc.collect()
    assert "still open" in "".join(str(each.message) for each in told)
    asyncio.run(_converse())


def test_three_loops_in_three_threads() -> None:
    def run(results: list[str]) -> None:
        asyncio.run(_converse())
        results.append("done")

    results: list[str] = []
    threads = [threading.Thread(target=run, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["done"] * 3


def test_clients_of_one_loop_share_one_run() -> None:
    async def main() -> None:
        async with rt.aio.open_server() as server:
            await asyncio.gather(*(_one(server.url) for _ in range(5)))

    async def _one(url: str) -> None:
        async with rt.aio.open_client(url, auth="any") as client:
            await client.ready()

    asyncio.run(main())
    uvloop.run(main())


# -- Ctrl-C --------------------------------------------------------------------------------

_INTERRUPTED = """
import asyncio, os, signal, sys, threading
import realtime_trio as rt
import uvloop

how, busy = sys.argv[1:]

def interrupt():
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

async def main():
    async with rt.aio.open_server() as server, rt.aio.open_client(server.url, auth="any") as client:
        await client.ready()
        interrupt()
        try:
            while busy == "busy":
                async with client.ask("word " * 200) as turn:
                    async for piece in turn.text:
                        pass
            await asyncio.sleep(60)
        finally:
            print("left", flush=True)

async def again():
    async with rt.aio.open_server() as server, rt.aio.open_client(server.url, auth="any") as client:
        await client.ready()

try:
    if how == "run":
        asyncio.run(main())
    elif how == "uvloop":
        uvloop.run(main())
    else:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
except KeyboardInterrupt:
    asyncio.run(again())
    print("usable", flush=True)
"""


@pytest.mark.parametrize("busy", ["idle", "busy"])
@pytest.mark.parametrize("how", ["run", "bare", "uvloop"])
def test_ctrl_c(how: str, busy: str) -> None:
    """The client leaves, ``KeyboardInterrupt`` comes out, and the thread can be used again."""
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, how, busy],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "usable" in done.stdout, done.stderr
    assert sorted(done.stdout.split()) == ["left", "usable"]


_BLOCKED = """
import os, signal, threading
import realtime_trio as rt

with rt.blocking.open_server() as server, rt.blocking.open_client(server.url, auth="any") as client:
    client.ready()
    notes = client.subscribe(rt.AudioOutput)
    for wait in (notes.receive, lambda: client.audio.send_from(endless())):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            wait()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    client.get_voices()
"""


def test_ctrl_c_ends_a_wait_of_the_blocking_client() -> None:
    program = "def endless():\n    while True:\n        yield bytes(640)\n" + _BLOCKED
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["interrupted"] * 2, done.stderr
    assert done.returncode == 0


# -- the blocking client -------------------------------------------------------------------


def test_closing_from_another_thread_ends_every_wait() -> None:
    with rt.blocking.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
        with rt.blocking.open_client(server.url, auth="any") as client:
            client.ready()
            ended: list[str] = []

            def wait(name: str, call: Any) -> None:
                try:
                    call()
                except rt.ClosedError:
                    ended.append(name)

            notes = client.subscribe(rt.AudioOutput)
            source = rt.audio.silence_source(60)
            threads = [
                threading.Thread(target=wait, args=("send", lambda: client.audio.send_from(source)))
            ]
            reader = threading.Thread(target=lambda: ended.extend(n.name for n in notes))
            for thread in (*threads, reader):
                thread.start()
            client.close()
            client.close()
            for thread in (*threads, reader):
                thread.join(10)
            assert ended == ["send"]
            with pytest.raises(rt.ClosedError):
                client.ready()


def test_threads_share_the_items_of_a_channel() -> None:
    with (
        rt.blocking.open_server() as server,
        rt.blocking.open_client(server.url, auth="any") as client,
    ):
        client.ready()
        notes = client.subscribe(rt.MessageComplete)
        got: list[object] = []
        threads = [
            threading.Thread(target=lambda: got.extend(note.message.content for note in notes))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for number in range(20):
            with client.ask(str(number)):
                pass
        client.close()
        for thread in threads:
            thread.join(10)
        assert sorted(map(str, got)) == sorted(f"You said: {number}" for number in range(20))


def test_an_awaitable_of_the_door_is_one_of_asyncio() -> None:
    """Nothing native is handed out: no ``await`` of asyncio meets a trap of trio."""

    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            await client.ready()
            calls: list[Coroutine[Any, Any, Any]] = [
                client.ping(),
                (await client.ping()).sent(),
                client.reconnect().wait(),
            ]
            await asyncio.gather(*calls)
            await client.reconnect()

    asyncio.run(main())


def _closed(name: str, call: Callable[[], object], ended: list[str]) -> None:
    try:
        call()
    except rt.ClosedError:
        ended.append(name)


def test_a_session_of_a_fleet_is_closed_from_another_thread() -> None:
    """As a client is: every wait of that session ends, and the fleet goes on."""
    log = rt.fleet.MemoryLog()
    with rt.blocking.open_fleet(log) as fleet:
        fleet.create("one")
        fleet.create("two")
        with fleet.attach("one") as session, fleet.attach("two") as other:
            receipt = session.send_text("Hi")
            ended: list[str] = []
            notes = session.text.subscribe()
            calls = {"ready": session.ready, "reached": partial(session.reached, 9)}
            threads = [
                threading.Thread(target=_closed, args=(name, call, ended))
                for name, call in {**calls, "sent": receipt.sent}.items()
            ]
            reader = threading.Thread(target=lambda: ended.extend(n.name for n in notes))
            for thread in (*threads, reader):
                thread.start()
            session.close()
            session.close()
            for thread in (*threads, reader):
                thread.join(10)
            assert sorted(ended) == ["reached", "ready", "sent"]
            with pytest.raises(rt.ClosedError):
                session.send_text("Hi")
            assert other.send_text("Hi").status == "queued"
        assert len(fleet.sessions()) == 2
    with pytest.raises(rt.ClosedError), fleet.attach("one"):
        pass


def test_a_body_that_was_closed_raises_its_own_error() -> None:
    log = rt.fleet.MemoryLog()
    with rt.blocking.open_fleet(log) as fleet:
        fleet.create("one")
        with pytest.raises(KeyError, match="mine"), fleet.attach("one") as session:
            session.close()
            msg = "mine"
            raise KeyError(msg)
        with pytest.raises(rt.ClosedError), fleet.attach("one") as session:
            session.close()
            session.ready()


def test_a_task_of_trio_is_told_which_client_it_wants() -> None:
    told: list[str] = []

    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            await client.ready()

            async def on_trio() -> None:
                try:
                    client.ping().send(None)
                except RuntimeError as exc:
                    told.append(str(exc))
                await trio.lowlevel.checkpoint()

            trio.lowlevel.spawn_system_task(on_trio)
            await client.reconnect()

    asyncio.run(main())
    assert "use rt.open_client" in told[0]


@pytest.mark.parametrize("door", [rt.aio, rt.blocking], ids=lambda door: door.__name__)
def test_a_door_has_its_names_and_no_others(door: Any) -> None:
    assert set(door.__all__) <= set(dir(door))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = door.nothing_like_it


def test_a_second_attach_has_a_door_of_its_own() -> None:
    """Leaving one block of a session does not end the use of another."""

    async def main() -> None:
        log = rt.fleet.MemoryLog()
        async with rt.aio.open_fleet(log) as fleet:
            await fleet.create("call-17")
            async with fleet.attach("call-17") as outer:
                async with fleet.attach("call-17") as inner:
                    pass
                with pytest.raises(rt.ClosedError):
                    await inner.send_text("Hi")
                assert (await outer.send_text("Hi")).status == "queued"
        with pytest.raises(rt.ClosedError):
            await fleet.sessions()
        with pytest.raises(rt.ClosedError):
            async with fleet.attach("call-17"):
                pass

    asyncio.run(main())


# -- the run of a loop, at its end -----------------------------------------------------------


def test_opening_while_the_run_ends_waits_for_its_end() -> None:
    async def main(steps: int, cancel: bool) -> None:
        first = rt.aio.open_server()
        await first.__aenter__()
        leaving = asyncio.ensure_future(first.__aexit__(None, None, None))
        for _ in range(steps):
            await asyncio.sleep(0)

        async def again() -> None:
            async with rt.aio.open_server() as server:
                assert server.url

        entering = asyncio.ensure_future(again())
        if cancel:
            await asyncio.sleep(0)
            entering.cancel()
        (result,) = await asyncio.gather(entering, return_exceptions=True)
        assert result is None or (cancel and isinstance(result, asyncio.CancelledError))
        await leaving

    for steps in range(12):
        for cancel in (False, True):
            asyncio.run(main(steps, cancel))


@pytest.mark.parametrize("cancel", [False, True])
def test_opening_in_a_run_that_ends(cancel: bool) -> None:
    async def again() -> str:
        async with rt.aio.open_server() as server:
            return server.url

    async def main() -> None:
        first = rt.aio.open_server()
        await first.__aenter__()
        run = _guest.current_guest()
        leaving = asyncio.ensure_future(first.__aexit__(None, None, None))
        for _ in range(1_000_000):
            await asyncio.sleep(0)
            if run.ending:
                break
        assert not run.ended
        entering = asyncio.ensure_future(again())
        await asyncio.sleep(0)
        if cancel:
            entering.cancel()
        (result,) = await asyncio.gather(entering, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError if cancel else str)
        await leaving

    asyncio.run(main())


def test_an_interrupt_in_a_step_of_trio_is_for_the_loop() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    loop = asyncio.new_event_loop()

    async def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        async with rt.aio.open_server():
            trio.lowlevel.spawn_system_task(interrupt)
            await asyncio.sleep(60)

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    asyncio.run(_converse())


def test_a_loop_that_was_closed_behind_our_back() -> None:
    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(_left_open())
    del vars(loop)["close"]
    loop.close()
    with pytest.warns(ResourceWarning, match="its loop was closed"):
        asyncio.run(_converse())
    assert kept


def test_what_does_not_end_after_its_loop_was_closed_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_guest, "_ABANDONED", 0.01)
    told: list[str] = []

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep_forever()

    async def enter() -> None:
        await opened(stubborn(), lambda door, nothing: nothing).__aenter__()

    def run() -> None:  # in a thread of its own: it cannot have another run
        loop = asyncio.new_event_loop()
        loop.run_until_complete(enter())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loop.close()
            except RuntimeError as exc:
                told.append(str(exc))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert told == ["the clients of a closed loop do not end"]
