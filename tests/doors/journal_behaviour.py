"""How a journal and its history behave, described once: ``test_three_doors.py`` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio import events as ev


@contextmanager
def _journal() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder) / "calls.db"


async def a_conversation_goes_on_after_a_restart(kit: Any) -> None:
    session: Any = None
    with _journal() as path:
        async with kit.open_server() as server:
            options = {"auth": "any", "name": "call-17", "recover": True}
            for question in ("Hello", "Still there?"):
                journal = rt.Journal(path, durability="batch", keep=rt.Keep(days=30, snapshots=2))
                async with kit.open_client(server.url, journal=journal, **options) as client:
                    if question == "Hello":
                        assert client.recovered is None
                    else:
                        found = client.recovered
                        assert (found.clean, found.exact, found.lost) == (True, True, None)
                    await client.ready()
                    async with client.ask(question):
                        pass
                    session = client.state.current_session
            assert [message.content for message in session.messages] == [
                *("Hello", "You said: Hello"),
                *("Still there?", "You said: Still there?"),
            ]


async def a_receipt_is_durable(kit: Any) -> None:
    with _journal() as path:
        async with kit.open_server() as server:
            journal = rt.Journal(path)
            async with kit.open_client(
                server.url, auth="any", journal=journal, name="call-17"
            ) as client:
                await client.ready()
                receipt = await client.send(ev.GetVoicesEvent())
                await receipt.sent()
                await receipt.durable()
                assert client.durable_position > 0
                async with client.watch_durable_position() as positions:
                    assert await positions.receive() > 0
                statistics = journal.statistics()
                assert statistics.durable > 0
                assert statistics.error is None
                async with client.ask("Hello") as turn:
                    pass
                await turn.receipt.durable()
            async with kit.open_client(server.url, auth="any") as client:
                await client.ready()
                receipt = await client.get_voices()
                with pytest.raises(RuntimeError, match="journal"):
                    await receipt.durable()
                assert client.durable_position is None
                with pytest.raises(RuntimeError, match="journal"):
                    client.watch_durable_position()


async def a_journal_has_one_writer(kit: Any) -> None:
    with _journal() as path:
        async with kit.open_server() as server:
            options = {"auth": "any", "name": "call-17"}
            async with kit.open_client(server.url, journal=rt.Journal(path), **options):
                with pytest.raises(rt.JournalInUse):
                    async with kit.open_client(server.url, journal=rt.Journal(path), **options):
                        pass


async def the_past_can_be_asked(kit: Any) -> None:
    with _journal() as path:
        async with kit.open_server() as server:
            journal = rt.Journal(path)
            async with kit.open_client(
                server.url, auth="any", journal=journal, name="call-17"
            ) as client:
                await client.ready()
                async with client.ask("Hello"):
                    pass
                state = client.state
        async with kit.open_history(path, name="call-17") as history:
            assert history.name == "call-17"
            assert (history.first, history.gaps, history.ended_clean) == (1, (), True)
            messages = history.at(position=history.last).current_session.messages
            assert messages == state.current_session.messages
            assert history.at(time=datetime.now().astimezone()).revision >= state.revision
            moment = history.find(lambda past: past.turn.can_send_input)
            assert history.position_at(history.first) == 0
            assert any("turn" in change.path for change in history.diff(moment - 1, moment))
            entries = [entry async for entry in history.entries(since=moment)]
            assert entries[0].position == moment + 1
            assert entries[-1].position == history.last
            assert len([entry async for entry in history.entries()]) == history.last
            with pytest.raises(ValueError, match="position"):
                history.at(position=history.last + 1)


async def what_is_no_journal_is_an_error(kit: Any) -> None:
    with _journal() as path:
        with pytest.raises(OSError, match=r"calls\.db"):
            async with kit.open_history(path):
                pass
        path.write_text("nothing of the kind", encoding="utf-8")
        with pytest.raises(ValueError, match=r"calls\.db"):
            async with kit.open_history(path):
                pass
