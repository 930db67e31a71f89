"""Errors that ``open_client`` raises, and leaving it at any point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._exceptions import ClosedError, ConnectionFailed, ConnectionLost
from realtime_trio._turns._outcome import TurnLost
from realtime_trio.server import open_server
from realtime_trio.testing import say, turn, wait

QUICK = ClientConfig(max_attempts=2, backoff_initial=0.1)


async def test_an_error_of_the_body_is_raised_unchanged(autojump_clock: object) -> None:
    """Not in a group."""
    async with open_server() as server:
        error = KeyError("mine")
        with pytest.raises(KeyError) as caught:
            async with open_client(server.url, auth="any"):
                raise error
        assert caught.value is error


async def test_a_group_raised_by_the_body_is_unchanged(autojump_clock: object) -> None:
    """Only the library's own nursery is unwrapped."""
    async with open_server() as server:
        group = ExceptionGroup("mine", [KeyError(1)])
        with pytest.raises(ExceptionGroup) as caught:
            async with open_client(server.url, auth="any"):
                raise group
        assert caught.value is group


async def test_no_server_is_one_clear_error(autojump_clock: object) -> None:
    """All attempts are used, and the error has the reason of the last."""
    with pytest.raises(ConnectionFailed, match="no server accepts"):
        async with open_client("memory://nobody", auth="secret-token", config=QUICK):
            raise AssertionError
    assert trio.current_time() > 0


async def test_the_first_dial_is_retried_like_any_other(autojump_clock: object) -> None:
    """A server that refuses at first is dialled again."""
    async with open_server() as server:
        server.faults.refuse(503, times=3)
        async with open_client(server.url, auth="any") as client:
            await client.ready()
            assert client.health.links == 1


async def test_a_clean_close_ends_the_client(autojump_clock: object) -> None:
    """Buffered items are delivered, then the error is raised."""
    async with open_server() as server:
        got: list[object] = []

        async def listen() -> None:
            async with open_client(server.url, auth="any") as client:
                notes = client.subscribe()
                await client.ready()
                server.hang_up("clean")
                got.extend([note async for note in notes])
                assert client.health.status == "closed"
                await trio.sleep_forever()

        with pytest.raises(ConnectionLost) as caught:
            await listen()
        assert caught.value.clean
        assert caught.value.__cause__ is None
        assert type(got[-1]).__name__ == "Disconnected"
        assert trio.current_time() < 10


async def _forever(_: Client) -> None:
    await trio.sleep_forever()


async def _for_a_receipt(client: Client) -> None:
    await (await client.get_voices()).sent()


async def _in_tasks(client: Client) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_for_a_receipt, client)
        nursery.start_soon(_for_a_receipt, client)


async def _for_pages(client: Client) -> None:
    async with aclosing(client.sessions()) as entries:
        async for _ in entries:
            pass


async def _talking(client: Client) -> None:
    while True:
        await client.audio.send(b"\0\0")
        await trio.sleep(0.1)


@pytest.mark.parametrize(
    "wait_for",
    [
        Client.cancel,
        Client.ready,
        Client.drain,
        _forever,
        _for_a_receipt,
        _in_tasks,
        _for_pages,
        _talking,
    ],
)
async def test_the_reason_is_raised_whatever_the_body_waits_for(
    autojump_clock: object, wait_for: Callable[[Client], Awaitable[object]]
) -> None:
    """One error with the reason, not the error of the body's wait."""
    async with open_server() as server:
        server.script(turn("slow", say("a"), wait(1000), say("b")))

        async def lose_it() -> None:
            async with open_client(server.url, auth="any", config=QUICK) as client:
                await client.ready()
                await client.text_input("slow")
                await trio.sleep(1)
                server.faults.refuse(503, times=100)
                server.hang_up()
                await trio.testing.wait_all_tasks_blocked()
                await wait_for(client)
                await trio.sleep_forever()

        with pytest.raises(ConnectionFailed) as caught:
            await lose_it()
        assert isinstance(caught.value.__cause__, ConnectionLost)


async def test_a_cancelled_client_that_ended_is_cancelled(autojump_clock: object) -> None:
    """A cancel from outside raises no error, even if the client had already failed."""
    async with open_server() as server:
        with trio.move_on_after(3) as scope:
            async with open_client(server.url, auth="any", config=QUICK) as client:
                await client.ready()
                server.hang_up("clean")
                with trio.CancelScope(shield=True):
                    await trio.sleep(2)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught


async def test_an_ask_ends_with_the_client(autojump_clock: object) -> None:
    """Its turn is lost; the body has a moment, then the client's error is raised."""
    async with open_server() as server:
        server.script(turn("slow", say("a"), wait(1000), say("b")))

        async def lose_it() -> None:
            async with open_client(server.url, auth="any", config=QUICK) as client:
                await client.ready()
                async with client.ask("slow") as asked:
                    await asked.text.receive()
                    server.faults.refuse(503, times=100)
                    server.hang_up()
                assert isinstance(asked.outcome, TurnLost)
                await trio.sleep_forever()

        with pytest.raises(ConnectionFailed):
            await lose_it()


async def test_a_closed_client_raises_closed_error(autojump_clock: object) -> None:
    """Sending, cancelling and waiting after the end raise ClosedError."""
    async with open_server() as server:
        async with open_client(server.url, auth="any") as client:
            await client.ready()
        with pytest.raises(ClosedError):
            await client.get_voices()
        with pytest.raises(ClosedError):
            await client.cancel()
        with pytest.raises(ClosedError):
            await client.audio.send(b"\0\0")
        with pytest.raises(ClosedError):
            async with client.ask("x"):
                raise AssertionError
        assert client.health.status == "closed"


async def test_a_task_outside_the_block_gets_the_error(autojump_clock: object) -> None:
    """It is not cancelled with the body, so it gets the error itself."""
    told: list[BaseException | None] = []

    async def ask_on(client: Client) -> None:
        while True:
            await client.get_voices()
            await trio.sleep(1)

    async def wait(client: Client) -> None:
        with pytest.raises(ClosedError) as caught:
            await ask_on(client)
        told.append(caught.value.__cause__)

    async with open_server() as server, trio.open_nursery() as outside:
        try:
            async with open_client(server.url, auth="any") as client:
                await client.ready()
                outside.start_soon(wait, client)
                server.hang_up("clean")
                await trio.sleep_forever()
        except ConnectionLost as exc:
            lost = exc
    assert told == [lost]


async def test_an_error_has_its_first_cause(autojump_clock: object) -> None:
    """The last failed dial is caused by the end of its link, or by the lost link."""
    async with open_server() as server:

        async def suffer(harm: Callable[[], None]) -> None:
            async with open_client(server.url, auth="any", config=QUICK) as client:
                await client.ready()
                harm()
                server.hang_up()
                await trio.sleep_forever()

        for harm in (lambda: server.faults.cut(times=None), lambda: server.faults.refuse(times=9)):
            with pytest.raises(ConnectionFailed) as caught:
                await suffer(harm)
            assert isinstance(caught.value.__cause__, ConnectionLost)
            server.faults.clear()


async def test_queued_commands_are_sent_before_the_close(autojump_clock: object) -> None:
    """A command queued just before the end of the block is sent."""
    async with open_server() as server:
        async with open_client(server.url, auth="any") as client:
            await client.ready()
            receipt = await client.get_voices()
        assert receipt.status == "sent"


async def test_a_server_that_does_not_read_delays_nothing(autojump_clock: object) -> None:
    """Leaving takes no longer than the close deadline."""
    async with open_server() as server:
        async with open_client(server.url, auth="any") as client:
            await client.ready()
            server.faults.stall(10_000)
            for _ in range(1000):
                client.audio.send_nowait(b"\0" * 3200)
            before = trio.current_time()
        assert trio.current_time() - before <= ClientConfig().close_deadline


async def conversation(client: Client) -> None:
    await client.ready()
    notes = client.subscribe()
    async with client.ask("one") as asked:
        async for _ in asked.text:
            await trio.lowlevel.checkpoint()
    await client.send(ev.GetVoicesEvent())
    async with client.push_to_talk():
        await client.audio.send(b"\0\0" * 100)
    await client.cancel()
    async with client.ask("slow"):
        await notes.receive()


@given(st.integers(1, 900), st.integers(0, 2**16))
@settings(max_examples=60)
def test_leaving_at_a_random_checkpoint_returns(steps: int, seed: int) -> None:
    """Cancelled at any step, the client and its tasks end within the close deadline."""

    class Cancel(trio.abc.Instrument):
        def __init__(self) -> None:
            self.left = steps
            self.scope: trio.CancelScope | None = None

        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            if self.scope is not None:
                self.left -= 1
                if self.left == 0:
                    self.scope.cancel()

    async def main() -> None:
        trio._core._run._r.seed(seed)
        instrument = Cancel()
        trio.lowlevel.add_instrument(instrument)
        async with open_server() as server:
            server.script(turn("slow", say("a"), wait(5), say("b")))
            await trio.testing.wait_all_tasks_blocked()
            tasks = count_tasks()
            ended = trio.current_time()
            with trio.CancelScope() as instrument.scope:
                try:
                    async with open_client(server.url, auth="any") as client:
                        try:
                            await conversation(client)
                        finally:
                            ended = trio.current_time()
                finally:
                    instrument.scope = None
            assert trio.current_time() - ended <= ClientConfig().close_deadline
            await trio.testing.wait_all_tasks_blocked()
            assert count_tasks() <= tasks

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def count_tasks() -> int:
    """Return the number of running tasks."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    todo, count = [root], 0
    while todo:
        task = todo.pop()
        count += 1
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return count


def test_keyboard_interrupt_is_raised_unchanged() -> None:
    """In whichever task it occurs."""

    async def main() -> None:
        async with open_server() as server, open_client(server.url, auth="any"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


async def test_a_background_error_is_raised_alone(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the library is one exception too, not a group."""
    async with open_server() as server:

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        async def meet_a_bug() -> None:
            async with open_client(server.url, auth="any") as client:
                monkeypatch.setattr(client._shell.observer, "received", broken)
                await trio.sleep_forever()

        with pytest.raises(ZeroDivisionError):
            await meet_a_bug()


# -- why the client ended ------------------------------------------------------------------


class Vault:
    """A token source whose second call raises."""

    def __init__(self) -> None:
        self.asked = 0

    async def token(self) -> str:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.asked > 1:
            message = "the vault has no such key"
            raise LookupError(message)
        return "a token"


async def _receiving(client: Client) -> None:
    notes = client.subscribe()
    while True:
        await notes.receive()


async def _receiving_of_a_lane(client: Client) -> None:
    notes = client.text.subscribe()
    while True:
        await notes.receive()


async def _iterating(client: Client) -> None:
    async for _ in client.control:
        pass


async def _watching(client: Client) -> None:
    async with client.watch(lambda state: state.revision) as changes:
        while True:
            await changes.receive()


async def _asking(client: Client) -> None:
    async with client.ask("slow"):
        pass


async def _receiving_of_a_turn(client: Client) -> None:
    async with client.ask("slow") as asked:
        while True:
            await asked.text.receive()


async def _receiving_in_tasks(client: Client) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_receiving, client)
        nursery.start_soon(_watching, client)
        nursery.start_soon(_for_a_receipt, client)


WAITS = [
    _forever,
    _receiving,
    _receiving_of_a_lane,
    _iterating,
    _watching,
    _asking,
    _receiving_of_a_turn,
    _receiving_in_tasks,
    _talking,
    Client.cancel,
]


@pytest.mark.parametrize("wait_for", WAITS)
@pytest.mark.parametrize("how", ["goodbye", "vault"])
async def test_the_reason_replaces_any_wait_of_the_body(
    autojump_clock: object, wait_for: Callable[[Client], Awaitable[object]], how: str
) -> None:
    """For a clean close of the server, and an error of the token source."""
    async with open_server() as server:
        server.script(turn("slow", say("a"), wait(1000), say("b")))

        async def lose_it() -> None:
            async with (
                open_client(server.url, auth=Vault(), config=QUICK) as client,
                trio.open_nursery() as nursery,
            ):
                await client.ready()

                async def harm() -> None:
                    await trio.sleep(1)
                    server.hang_up("clean" if how == "goodbye" else "abort")

                nursery.start_soon(harm)
                await wait_for(client)
                await trio.sleep_forever()

        with pytest.raises((ConnectionLost, LookupError)) as caught:
            await lose_it()
        assert type(caught.value) is (ConnectionLost if how == "goodbye" else LookupError)
        assert trio.current_time() < 10


@pytest.mark.parametrize("wait_for", WAITS)
async def test_a_bug_is_the_reason_too(
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[[Client], Awaitable[object]],
) -> None:
    """Never "Nursery is closed", and immediately: nothing waits for ended tasks."""
    async with open_server() as server:
        server.script(turn("slow", say("a"), wait(3), say("b"), wait(1000)))

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        async def meet_a_bug() -> None:
            async with (
                open_client(server.url, auth="any", config=QUICK) as client,
                trio.open_nursery() as nursery,
            ):
                await client.ready()

                async def break_it() -> None:
                    await trio.sleep(1)
                    monkeypatch.setattr(client._shell.supervisor._outbox, "statistics", broken)
                    server.hang_up()

                nursery.start_soon(break_it)
                await wait_for(client)
                await trio.sleep_forever()

        with pytest.raises(ZeroDivisionError):
            await meet_a_bug()
        assert trio.current_time() < 10


async def test_a_background_task_that_dies_ends_the_client(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that leaves an ask then gets a closed client, not a closed nursery."""
    async with open_server() as server:
        server.script(turn("slow", say("a"), wait(1000)))

        async def dies() -> None:
            await trio.sleep(2)
            raise ZeroDivisionError

        async def meet_a_bug() -> None:
            async with open_client(server.url, auth="any", config=QUICK) as client:
                await client.ready()
                client._shell.nursery.start_soon(dies)
                async with client.ask("slow"):
                    pass

        before = trio.current_time()
        with pytest.raises(ZeroDivisionError):
            await meet_a_bug()
        assert trio.current_time() - before == pytest.approx(2)


async def test_an_error_of_the_body_has_the_reason_as_its_last_cause(
    autojump_clock: object,
) -> None:
    """The error and its own causes are unchanged."""
    async with open_server() as server:

        async def raise_it(error: BaseException) -> None:
            async with open_client(server.url, auth="any") as client:
                await client.ready()
                notes = client.subscribe()
                server.hang_up("clean")
                async for _ in notes:
                    pass
                raise error

        own, deep = KeyError("mine"), KeyError("mine, too")
        deep.__cause__ = ValueError("below")
        group = ExceptionGroup("several", [KeyError(1), trio.EndOfChannel()])
        for error, last in ((own, own), (deep, deep.__cause__), (group, group)):
            with pytest.raises((KeyError, ExceptionGroup)) as caught:
                await raise_it(error)
            assert caught.value is error
            assert isinstance(last.__cause__, ConnectionLost)


async def test_the_reason_is_not_added_twice(autojump_clock: object) -> None:
    """An error that already has it as a cause is unchanged."""
    async with open_server() as server:

        async def wrap_it() -> None:
            async with open_client(server.url, auth="any") as client:
                await client.ready()
                server.hang_up("clean")
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.5)
                message = "mine"
                raise KeyError(message) from client._shell.failure

        with pytest.raises(KeyError) as caught:
            await wrap_it()
        assert isinstance(caught.value.__cause__, ConnectionLost)
        assert caught.value.__cause__.__cause__ is None


async def test_an_end_of_the_bodys_own_channel_is_raised(autojump_clock: object) -> None:
    """As long as the client has not ended."""
    async with open_server() as server:
        with pytest.raises(trio.EndOfChannel):
            async with open_client(server.url, auth="any"):
                raise trio.EndOfChannel
