"""The invariants of a fleet, as a state machine over schedules that nobody would think of.

Two nodes share a log in memory, on the virtual clock. Each may be cut off, paused, slow, or lose
answers, at any time; both may be killed and replaced. Meanwhile commands are put into the queue
by workers that come and go.

3. Tokens of a log never fall, and nothing of an older owner stands behind a newer one.
4. A command is sent at most once and ends in exactly one way, in order; a key is one command.
6. A follower is fed everything that was written, or is told what it misses.
7. It reads its own writes.
10. Without troubles every session has an owner that lives within a lease and a poll, and the
    server has one connection of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
import trio
import trio.testing
from hypothesis import register_random, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import realtime_trio as rt
from realtime_trio._lanes._subscription import Subscription
from realtime_trio.fleet import Fleet, Node, RemoteReceipt, RemoteSession
from realtime_trio.server import RealtimeServer

from .guest import GuestRun
from .partition import PartitionedLog
from .test_fleet import check_follower, dial_to, lose_one
from .watched import FedInputs, WatchedLog

NAME = "call-17"
LEASE, GRACE, POLL, DIAL = 2.0, 2.0, 0.7, 1.0
ENDS = frozenset({"sent", "not-sent", "in-doubt"})


# A failing schedule fails again: the order of trio's tasks and the names of nodes are drawn, too.
register_random(trio._core._run._r)


@pytest.fixture(autouse=True, scope="module")
def virtual() -> Iterator[None]:
    """The virtual clock does not wait for threads, so what they do is done in place."""

    async def run_sync(call: Callable[..., object], *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", run_sync)
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr("realtime_trio.fleet._node.secrets", Names())
        # So small that jumps, snapshots and slow followers are frequent.
        patch.setattr("realtime_trio._journal._log_writer.MAX_ENTRIES", 30)
        patch.setattr("realtime_trio._journal._log_writer.SNAPSHOT_EVERY", 60)
        patch.setattr("realtime_trio.fleet._shard_readers._MOST_BLOCKS", 4)
        yield


class Names:
    """Random names that hypothesis repeats."""

    def token_hex(self, size: int) -> str:
        """Some name."""
        return random.randbytes(size).hex()


class Worker:
    """A process that follows the session, with what it was fed and told."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self.jumps: Subscription[rt.Jumped] = session.subscribe(rt.Jumped)
        self.fed = FedInputs(session)
        self.receipts: list[RemoteReceipt] = []

    def told(self) -> list[tuple[int, int]]:
        """The jumps."""
        found: list[tuple[int, int]] = []
        while True:
            try:
                jump = self.jumps.receive_nowait()
            except trio.WouldBlock:
                return found
            found.append((jump.first, jump.last))


class Cluster:
    """Two nodes and their troubles, the workers, and the commands that they gave."""

    log: WatchedLog
    server: RealtimeServer
    nursery: trio.Nursery
    fleet: Fleet

    def __init__(self) -> None:
        self.log = WatchedLog()
        self.views = [PartitionedLog(self.log, 1), PartitionedLog(self.log, 2)]
        self.scopes = [trio.CancelScope(), trio.CancelScope()]
        self.held: dict[PartitionedLog, Node] = {}
        self.workers: list[Worker] = []
        self.keys: dict[str, int] = {}
        self.outcomes: list[rt.Outcome] = []
        self.asked = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Everything, until cancelled."""
        async with (
            rt.server.open_server() as self.server,
            rt.fleet.open_fleet(self.log) as self.fleet,
            trio.open_nursery() as self.nursery,
        ):
            await self.fleet.create(NAME)
            await self.attach()
            self.start(0)
            self.start(1)
            ready()
            await trio.sleep_forever()

    async def attach(self) -> None:
        """Another worker."""
        await self.nursery.start(self._follow)

    async def _follow(self, task_status: trio.TaskStatus[None]) -> None:
        async with self.fleet.attach(NAME) as session:
            self.workers.append(Worker(session))
            task_status.started()
            await trio.sleep_forever()

    def start(self, index: int) -> None:
        """Start the node in the place ``index``."""
        self.nursery.start_soon(self._hold, self.views[index], self.scopes[index])

    async def _hold(self, view: PartitionedLog, scope: trio.CancelScope) -> None:
        with scope:
            async with rt.fleet.open_node(view, dial_to(self.server)) as self.held[view]:
                await trio.sleep_forever()

    async def kill(self, index: int) -> None:
        """End a node without a word, and start another in its place."""
        self.views[index].away = True
        self.views[index].wake()
        self.scopes[index].cancel()
        self.views[index] = PartitionedLog(self.log, index + 10)
        self.scopes[index] = trio.CancelScope()
        self.start(index)
        await trio.lowlevel.checkpoint()

    async def send(self, worker: int) -> None:
        """Give a new command."""
        await self.give(self.workers[worker % len(self.workers)], f"k{len(self.keys)}")

    async def send_again(self, worker: int, which: int) -> None:
        """Give a command again, perhaps elsewhere: it is the same one."""
        if self.keys:
            key = sorted(self.keys)[which % len(self.keys)]
            await self.give(self.workers[worker % len(self.workers)], key)

    async def give(self, worker: Worker, key: str) -> None:
        receipt = await worker.session.send_text(f"text of {key}", key=key)
        assert self.keys.setdefault(key, receipt.number) == receipt.number
        worker.receipts.append(receipt)

    async def ask(self, worker: int) -> None:
        """Ask, and wait for the outcome in the background."""
        self.asked += 1
        self.nursery.start_soon(self._ask, self.workers[worker % len(self.workers)], self.asked)
        await trio.lowlevel.checkpoint()

    async def _ask(self, worker: Worker, number: int) -> None:
        async with worker.session.ask(f"text of a{number}", key=f"a{number}") as turn:
            worker.receipts.append(turn.receipt)
        self.outcomes.append(turn.outcome)

    async def cancel(self, worker: int) -> None:
        """Cancel what runs, in the background."""
        self.nursery.start_soon(self._cancel, self.workers[worker % len(self.workers)])
        await trio.lowlevel.checkpoint()

    async def _cancel(self, worker: Worker) -> None:
        try:
            await worker.session.cancel()
        except (rt.InDoubt, rt.NotSent, rt.ClosedError):
            return

    async def stall(self, worker: int) -> None:
        """Let a worker be busy elsewhere for a while: it is fed nothing."""
        self.nursery.start_soon(self._stall, self.workers[worker % len(self.workers)])
        await trio.lowlevel.checkpoint()

    async def _stall(self, worker: Worker) -> None:
        async with worker.session._follower.putting:
            await trio.sleep(3.0)

    def overflow(self, index: int) -> None:
        """Let a node drop what it has not written, as when its log is away for too long."""
        node = self.held.get(self.views[index])
        for run in () if node is None else node._runs.values():
            if run.life is not None:
                lose_one(run.life.writer)

    def heal(self) -> None:
        """No trouble any more."""
        for view in self.views:
            view.away, view.loses, view.delay = False, 0.0, 0.0
            view.wake()

    # -- what must hold --------------------------------------------------------------------

    def check_tokens(self) -> None:
        """Invariant 3."""
        assert self.log.tokens == sorted(self.log.tokens)

    def check_commands(self) -> None:
        """Invariant 4, so far."""
        words = self.log.words()
        sendings = [each.number for each in words if each.status == "sending"]
        assert len(sendings) == len(set(sendings))
        ends = Counter(each.number for each in {e for e in words if e.status in ENDS})
        assert all(count == 1 for count in ends.values())
        texts = Counter(
            (event := frame.event) and event["text"]
            for frame in self.server.seen
            if frame.type == "text_input"
        )
        assert all(count == 1 for count in texts.values())

    async def check_owner(self) -> None:
        """Invariant 10."""
        with trio.fail_after(LEASE + GRACE + POLL + DIAL + 3.0):
            while True:
                (seat,) = await self.log.seats()
                one = self.server.statistics().connections == 1
                if one and seat.node in await self.log.nodes():
                    return
                await trio.sleep(0.05)

    async def check_in_the_end(self) -> None:
        """Without troubles, everything comes to its end."""
        self.heal()
        await self.check_owner()
        with trio.fail_after(120):
            for worker in self.workers:
                for receipt in worker.receipts:
                    await _ended(receipt)
                    await worker.session.reached(receipt.position)
                    assert worker.session.position >= receipt.position  # invariant 7
            while len(self.outcomes) < self.asked:  # noqa: ASYNC110
                await trio.sleep(0.05)
            for worker in self.workers:
                await worker.session.ready()
                await check_follower(self.log, worker.session)
                worker.fed.check(self.log, worker.told())  # invariant 6
        sendings = [each.number for each in self.log.words() if each.status == "sending"]
        given = [number for number in sendings if number in self.keys.values()]
        assert given == sorted(given)
        await self.check_owner()
        self.check_tokens()
        self.check_commands()


async def _ended(receipt: RemoteReceipt) -> None:
    try:
        await receipt.sent()
    except (rt.InDoubt, rt.NotSent):
        assert receipt.status in {"in-doubt", "not-sent"}


nodes = st.integers(0, 1)
workers = st.integers(0, 3)


class FleetMachine(RuleBasedStateMachine):
    """The steps of a schedule, as they may follow one another."""

    cluster: Cluster

    @initialize()
    def begin(self) -> None:
        self.cluster = Cluster()
        self.guest = GuestRun(self.cluster.run)

    @rule(worker=workers)
    def send(self, worker: int) -> None:
        self.guest.call(self.cluster.send, worker)

    @rule(worker=workers, which=st.integers(0, 50))
    def send_again(self, worker: int, which: int) -> None:
        self.guest.call(self.cluster.send_again, worker, which)

    @rule(worker=workers)
    def ask(self, worker: int) -> None:
        self.guest.call(self.cluster.ask, worker)

    @rule(worker=workers)
    def cancel(self, worker: int) -> None:
        self.guest.call(self.cluster.cancel, worker)

    @rule(worker=workers)
    def stall(self, worker: int) -> None:
        self.guest.call(self.cluster.stall, worker)

    @rule(index=nodes)
    def overflow(self, index: int) -> None:
        self.cluster.overflow(index)

    @precondition(lambda self: len(self.cluster.workers) < 4)
    @rule()
    def attach(self) -> None:
        self.guest.call(self.cluster.attach)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.7, 3.4]))
    def wait(self, seconds: float) -> None:
        self.guest.call(trio.sleep, seconds)

    @rule(index=nodes)
    def kill(self, index: int) -> None:
        self.guest.call(self.cluster.kill, index)

    @precondition(lambda self: any(view.awake.is_set() for view in self.cluster.views))
    @rule(index=nodes)
    def pause(self, index: int) -> None:
        self.cluster.views[index].pause()

    @precondition(lambda self: not all(view.awake.is_set() for view in self.cluster.views))
    @rule(index=nodes)
    def wake(self, index: int) -> None:
        self.cluster.views[index].wake()

    @rule(index=nodes, away=st.booleans())
    def away(self, index: int, away: bool) -> None:
        self.cluster.views[index].away = away

    @rule(index=nodes, delay=st.sampled_from([0.0, 0.05, 0.4]))
    def slow(self, index: int, delay: float) -> None:
        self.cluster.views[index].delay = delay

    @rule(index=nodes, share=st.sampled_from([0.0, 0.3]))
    def loses(self, index: int, share: float) -> None:
        self.cluster.views[index].loses = share

    @invariant()
    def holds(self) -> None:
        self.cluster.check_tokens()
        self.cluster.check_commands()

    def teardown(self) -> None:
        if hasattr(self, "guest"):
            try:
                self.guest.call(self.cluster.check_in_the_end)
            finally:
                self.guest.close()


def test_the_invariants_hold_over_any_schedule() -> None:
    run_state_machine_as_test(
        FleetMachine, settings=settings(max_examples=200, stateful_step_count=25, deadline=None)
    )


async def test_a_takeover_takes_a_lease_and_a_poll(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nothing else is wrong, so nobody waits for more."""
    cluster = Cluster()
    async with trio.open_nursery() as nursery:
        ready = trio.Event()
        nursery.start_soon(cluster.run, ready.set)
        await ready.wait()
        await cluster.workers[0].session.ready()
        await trio.sleep(5)
        (seat,) = await cluster.log.seats()
        view = next(view for view, node in cluster.held.items() if node.name == seat.node)
        view.pause()
        began = trio.current_time()
        while (await cluster.log.seats())[0].node == seat.node:  # noqa: ASYNC110
            await trio.sleep(0.05)
        assert trio.current_time() - began <= LEASE + POLL + 0.1
        view.wake()
        await cluster.check_owner()
        nursery.cancel_scope.cancel()
