"""The examples that every user meets first, described once: ``test_three_doors.py`` runs them."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import realtime_trio as rt
from realtime_trio import events as ev


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


async def a_question_is_answered(kit: Any) -> None:
    login = rt.PasswordLogin("me", "secret")
    users = (rt.server.Account(user_id="me", password="secret"),)
    seen: list[object] = []
    async with kit.open_server(rt.server.ServerConfig(users=users)) as server:
        url = await server.listen()
        async with kit.open_client(url, auth=login) as client:
            await client.ready()
            for question in ("What is entanglement?", "!help"):
                async with client.ask(question) as turn:
                    async for piece in turn.text:
                        assert isinstance(piece, str)
                match turn.outcome:
                    case rt.TurnCompleted(message=message) if message:
                        seen.append(message.metadata.output_tokens)
                    case rt.TurnCompleted(began=False):
                        seen.append("without a turn")
                    case other:
                        seen.append(other)
    tokens, answered = seen
    assert isinstance(tokens, int)
    assert answered == "without a turn"


async def each_lane_has_a_reader(kit: Any) -> None:
    heard: list[str] = []
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:

            async def show() -> None:
                async for note in client.text:
                    match note:
                        case rt.MessageStreaming(delta=delta):
                            heard.append(delta)
                        case rt.MessageComplete(message=message):
                            heard.append(message.role)
                            return

            async def watch() -> None:
                async for note in client.control.subscribe(overflow=rt.Block(64)):
                    if isinstance(note, rt.TurnStateChanged):
                        return

            async def play() -> None:
                with client.audio.subscribe(overflow=rt.DropOldest(seconds=2.0)) as frames:
                    assert frames.statistics().depth == 0
                await client.ready()
                async with client.ask("Hello"):
                    pass

            await kit.together(show, watch, play)
            assert "".join(heard[:-1]) == "You said: Hello"
            assert heard[-1] == "assistant"


async def classes_are_subscribed_across_lanes(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.subscribe(
                rt.MessageComplete, ev.ErrorEvent, overflow=rt.Coalesce()
            ) as notes:
                async with client.ask("Hello"):
                    pass
                async for note in notes:
                    assert note.message.content == "You said: Hello"
                    break


async def the_state_is_read_and_watched(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("Hello"):
                pass
            state = client.state
            session = state.text.user_session_id
            assert state.sessions[session].messages[-1].content == "You said: Hello"
            assert state.revision == client.state.revision
            seen = []
            async with client.watch(lambda s: s.turn.can_send_input) as changes:
                async for can_send in changes:
                    seen.append(can_send)
                    if len(seen) == 1:
                        client.send_nowait(ev.TextInputEvent(text="Again"))
                    elif can_send:
                        break
            assert seen == [True, False, True]


async def commands_are_sent(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            receipt = await client.send(ev.SetAgentEvent(agent_key="lawyer"))
            await receipt.sent()
            await (await client.set_agent("default")).sent()
            client.send_nowait(ev.PingEvent())
            confirmed = await client.cancel()
            assert confirmed.via in {"socket", "rest"}
            await client.reconnect().wait()
            assert client.health.links == 2


async def a_file_is_spoken(kit: Any) -> None:
    with _folder() as folder:
        path = folder / "question.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(rt.audio.tone(330, 1_600, 16_000))
        async with kit.open_server() as server:
            async with kit.open_client(server.url, auth="any") as client:
                await client.ready()
                async with client.push_to_talk():
                    await client.audio.send_from(rt.audio.open_wav(str(path)))
                await kit.until(lambda: "ptt_end" in [seen.type for seen in server.seen])
                kinds = [seen.type for seen in server.seen]
                assert kinds.index("ptt_start") < kinds.index("ptt_end")
