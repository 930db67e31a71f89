"""How the client behaves, described once: ``test_three_doors.py`` runs it through each door.

``kit`` is the door (``kits.py``). The blocking door runs the same text without ``async`` and
``await``. A function whose name ends in ``_cancelled`` needs a loop with cancellation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio import events as ev

ONCE = rt.ClientConfig(max_attempts=1)

# -- asking --------------------------------------------------------------------------------


async def asking_gives_pieces_and_an_outcome(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(rt.testing.turn("What is entanglement?", text="A bond."))
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            pieces = []
            async with client.ask("What is entanglement?") as turn:
                async for piece in turn.text:
                    pieces.append(piece)
            match turn.outcome:
                case rt.TurnCompleted(message=message) if message:
                    assert message.content == "".join(pieces) == "A bond."
                    assert message.metadata is not None
                case other:
                    raise AssertionError(other)


async def a_turn_has_five_channels(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(
            rt.testing.turn(
                "Hello",
                text="Hi there",
                thoughts="Let me think.",
                tools=[rt.testing.tool("search", result="3 hits")],
            )
        )
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("Hello") as turn:
                thoughts = [piece async for piece in turn.thoughts]
                tools = [note async for note in turn.tools]
                assert await turn.text.receive()
                assert turn.text.statistics().depth >= 0
                media = [item async for item in turn.media]
                subsessions = [item async for item in turn.subsessions]
            assert "".join(thoughts) == "Let me think."
            assert tools[-1].status == "complete"
            assert media == subsessions == []
            with pytest.raises(rt.EndOfChannel):
                while True:
                    await turn.text.receive()
            assert turn.text is turn.text


async def an_outcome_is_asked_too_early(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("Hello") as turn:
                with pytest.raises(rt.TurnError):
                    _ = turn.outcome
                assert isinstance(await turn.wait(), rt.TurnCompleted)
                assert "TurnCompleted" in repr(turn)
                await turn.receipt.sent()
                assert turn.receipt.status == "sent"


async def leaving_a_turn_by_an_error_cancels_it(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            with pytest.raises(ValueError, match="mine"):
                async with client.ask("Hello") as turn:
                    await turn.receipt.sent()
                    message = "mine"
                    raise ValueError(message)
            assert isinstance(turn.outcome, (rt.TurnCancelled, rt.TurnLost))
            await client.ready()
            async with client.ask("Again") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)


async def concurrent_turns_run_one_after_another(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            outcomes = []

            async def one() -> None:
                async with client.ask("Hello") as turn:
                    pass
                outcomes.append(turn.outcome)

            await kit.together(one, one, one)
            assert [type(outcome) for outcome in outcomes] == [rt.TurnCompleted] * 3


async def an_ask_inside_an_ask_is_an_error(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("Hello"):
                with pytest.raises(rt.TurnError, match="inside another"):
                    async with client.ask("Again"):
                        pass
            async with client.ask("Hello") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)


# -- subscribing and watching --------------------------------------------------------------


async def a_subscription_starts_at_the_call(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.subscribe(rt.MessageComplete, ev.UserTurnStartEvent) as notes:
                with pytest.raises(rt.WouldBlock):
                    notes.receive_nowait()
                async with client.ask("one"):
                    pass
                # Urgent ones first, whatever came first.
                assert isinstance(await notes.receive(), ev.UserTurnStartEvent)
                assert isinstance(await notes.receive(), rt.MessageComplete)
            with pytest.raises(rt.ClosedError):
                await notes.receive()


async def lanes_are_iterated(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            lane = aiter(client.text)
            with client.control.subscribe(overflow=rt.Block(64)) as control:
                with client.audio.subscribe(overflow=rt.DropOldest(seconds=2.0)) as audio:
                    async with client.ask("two"):
                        pass
                    assert isinstance(await anext(lane), rt.MessageAdded)
                    assert await control.receive()
                    with pytest.raises(rt.WouldBlock):
                        audio.receive_nowait()
            assert client.text.statistics().events > 0


async def the_latest_rule_keeps_one(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            with client.subscribe(rt.MessageComplete, overflow=rt.Latest()) as latest:
                for text in ("one", "two", "three"):
                    async with client.ask(text):
                        pass
                note = await latest.receive()
                assert note.message.content == "You said: three"
                assert latest.statistics().dropped == 2


async def a_slow_reader_is_told(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            with client.text.subscribe(overflow=rt.Coalesce(2)) as slow:
                async with client.ask("Hello"):
                    pass
                assert await slow.receive()
                with pytest.raises(rt.LaggedError):
                    while True:
                        await slow.receive()


async def subscriptions_end_with_the_client(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            notes = client.text.subscribe()
            async with client.ask("Hello"):
                pass
        kinds = [note.name async for note in notes]
        assert "message-complete" in kinds
        with pytest.raises(rt.EndOfChannel):
            notes.receive_nowait()


async def a_watch_gives_the_latest_value(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.watch(lambda state: state.turn.can_send_input) as changes:
                assert await changes.receive() is True
                with pytest.raises(rt.WouldBlock):
                    changes.receive_nowait()
                async with client.ask("Hello"):
                    assert await changes.receive() is False
                assert await changes.receive() is True
            with pytest.raises(rt.ClosedError):
                await changes.receive()


async def a_selector_that_fails_fails_its_reader(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            with client.watch(lambda state: state.turn.nothing) as changes:
                with pytest.raises(AttributeError):
                    await changes.receive()


async def the_state_is_frozen(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("Hello"):
                pass
            state = client.state
            assert state.current_session.messages[-1].content == "You said: Hello"
            with pytest.raises(AttributeError):
                state.revision = 0
            assert client.health.status == "open"
            assert client.statistics() is not None
        assert client.state.revision >= state.revision


# -- sending -------------------------------------------------------------------------------


async def commands_give_receipts(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            receipt = await client.send(ev.GetVoicesEvent())
            await receipt.sent()
            assert receipt.status == "sent"
            assert not receipt.queued
            assert (await client.get_agents()).name == "get_agents"
            receipt = client.send_nowait(ev.PingEvent())
            await receipt.sent()
            with pytest.raises(TypeError):
                await client.send(ev.ErrorEvent(message="no"))
            assert "get_voices" in [seen.type for seen in server.seen]


async def every_command_has_a_method(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            receipts = [
                await client.ping(),
                await client.get_agents(force=True),
                await client.get_avatars(force=True),
                await client.get_voices(force=True),
                await client.get_tool_catalog(force=True),
                await client.list_workspaces(force=True),
                await client.add_workspace({"name": "w"}, force=True),
                await client.remove_workspace("w", force=True),
                await client.set_agent("default", force=True),
                await client.set_agent_tools(["search"], force=True),
                await client.text_input("Hello", force=True),
                await client.new_chat_session("default", force=True),
                await client.resume_chat_session("s1", force=True),
                await client.set_chat_session_name("n", force=True),
                await client.set_session_metadata({"k": 1}, force=True),
                await client.set_session_messages([{"role": "user"}], force=True),
                await client.get_user_sessions(0, 50, force=True),
                await client.delete_chat_session("s1", force=True),
                await client.set_agent_voice("v", force=True),
                await client.set_voice_input_mode("ptt", force=True),
                await client.ptt_start(force=True),
                await client.ptt_end(),
                await client.audio_input_delta(bytes(2), force=True),
                await client.set_avatar("a", force=True),
                await client.set_avatar_session("t", "a", force=True),
                await client.clear_avatar_session("s1", force=True),
            ]
            for receipt in receipts:
                await receipt.sent()
            names = {receipt.name for receipt in receipts}
            assert len(names) == len(receipts)
            assert client.heygen_token is None


async def a_cancel_is_confirmed(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.watch(lambda state: state.turn.can_send_input) as changes:
                assert await changes.receive() is True
                async with client.ask("Hello") as turn:
                    assert await changes.receive() is False
                    confirmed = await client.cancel()
            assert confirmed.via == "socket"
            assert isinstance(turn.outcome, rt.TurnCancelled)


async def speech_is_sent(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.push_to_talk():
                await client.audio.send_from(rt.audio.silence_source(0.1))
                await client.audio.send_from(kit.Sound())
                client.audio.begin_speech()
                await client.audio.send(bytes(640))
                client.audio.send_nowait(bytes(640))
            await client.audio.talk(kit.Sound(), mode="realtime")
            assert client.audio.statistics().sending.given >= 4
            await kit.until(lambda: "ptt_end" in [seen.type for seen in server.seen])


async def answers_are_played(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            assert client.audio.stop() is None
            sink = kit.Sink()
            async with client.audio.play_to(sink) as playback:
                assert playback.format == sink.format
                playback.volume = 0.5
                assert playback.volume == 0.5
                playback.feed(bytes(6400), rt.AudioFormat())
                playback.end_answer()
                await playback.drained()
                assert playback.statistics().played > 0
                playback.begin_turn()
                playback.feed(bytes(6400), rt.AudioFormat())
                assert playback.playing
                assert playback.interrupt().bytes > 0
                assert playback.interruption is not None
                playback.discard(bytes(640), rt.AudioFormat())
                playback.emit_discarded()
                assert playback.level is not None
                playback.close()
                assert client.audio.flush() is None
                with pytest.raises(rt.BusyResourceError):
                    async with client.audio.play_to(sink):
                        pass
            assert sink.size > 0


async def a_file_is_uploaded(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            uploaded = await client.upload_file(b"text", filename="a.txt")
            async with client.ask("Read it", file_ids=[uploaded.id]) as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)
            with pytest.raises(OSError, match=r"no\.txt"):
                await client.upload_file(Path("no.txt"))


# -- opening and leaving -------------------------------------------------------------------


async def sessions_come_page_by_page(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with client.ask("one"):
                pass
            entries = [entry async for entry in client.sessions(page=1)]
            assert len(entries) == 1


async def a_token_source_is_asked(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth=kit.Auth()) as client:
            await client.ready()


async def a_body_raises_its_own_error(kit: Any) -> None:
    async with kit.open_server() as server:
        error = KeyError("mine")
        with pytest.raises(KeyError) as caught:
            async with kit.open_client(server.url, auth="any") as client:
                await client.ready()
                raise error
        assert caught.value is error
        group = ExceptionGroup("mine", [ValueError(), KeyError()])
        with pytest.raises(ExceptionGroup) as grouped:
            async with kit.open_client(server.url, auth="any"):
                raise group
        assert grouped.value is group


async def a_stop_iteration_passes(kit: Any) -> None:
    async with kit.open_server() as server:
        for error in (StopIteration(1), StopAsyncIteration(1)):
            with pytest.raises((StopIteration, StopAsyncIteration)) as caught:
                async with kit.open_client(server.url, auth="any"):
                    raise error
            assert caught.value is error


async def the_reason_comes_out_when_the_client_ends(kit: Any) -> None:
    async with kit.open_server() as server:
        with pytest.raises(rt.ConnectionFailed) as caught:
            async with kit.open_client(server.url, auth="any") as client:
                await client.ready()
                server.faults.refuse(404, times=9)
                server.hang_up()
                async for _note in client.text:
                    pass
                await client.ready()
        assert caught.value.status == 404


async def a_waiting_call_ends_with_the_client(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
        with pytest.raises(rt.ConnectionFailed):
            async with kit.open_client(server.url, auth="any") as client:
                await client.ready()
                async with client.ask("Hello") as turn:
                    await turn.receipt.sent()
                    server.faults.refuse(404, times=9)
                    server.hang_up()
                    assert isinstance(await turn.wait(), rt.TurnLost)
                    async for _note in client.control:
                        pass
                    await client.send(ev.GetVoicesEvent())
        assert isinstance(turn.outcome, rt.TurnLost)


async def use_after_the_end_is_an_error(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
        for call in (client.ready, client.cancel, client.get_agents, client.drain):
            with pytest.raises(rt.ClosedError):
                await call()
        with pytest.raises(rt.ClosedError):
            client.send_nowait(ev.PingEvent())
        with pytest.raises(rt.ClosedError):
            async with client.ask("Hello"):
                pass
        assert client.health.status == "closed"


async def what_fits_no_server_is_an_error_at_the_call(kit: Any) -> None:
    with pytest.raises(ValueError, match="must look like https://host"):
        kit.open_client("ftp://somewhere", auth="any")
    with pytest.raises(TypeError):
        kit.open_client("http://somewhere", auth="any", agent="lawyer")
    with pytest.raises(rt.ConnectionFailed):
        async with kit.open_client("memory://nobody", auth="any", config=ONCE):
            pass


async def a_client_is_drained(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            receipt = await client.get_voices()
            await client.drain()
            assert receipt.status == "sent"
            with pytest.raises(rt.ClosedError):
                await client.get_voices()


async def a_link_is_replaced(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            await client.reconnect().wait()
            assert client.health.links == 2
            server.hang_up()
            await kit.until(lambda: client.health.links == 3)
            async with client.ask("Hello") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)


async def a_server_is_real(kit: Any) -> None:
    async with kit.open_server() as server:
        url = await server.listen()
        assert server.statistics().connections == 0
        async with kit.open_client(url, auth=rt.PasswordLogin("admin", "admin")) as client:
            await client.ready()
            assert client.health.status == "open"


async def a_server_has_faults(kit: Any) -> None:
    async with kit.open_server() as server:
        faults = server.faults
        faults.delay(0.001, types=["pong"])
        faults.drop(["pong"])
        faults.duplicate(["pong"])
        faults.reorder(["pong"])
        faults.garble(["pong"])
        faults.oversized(10, types=["pong"])
        faults.slow_drain(1e9)
        faults.stall(0.001)
        faults.mute(10**6)
        faults.cut(10**6)
        faults.refuse(503)
        assert faults.refusal() == (True, 503)
        assert not faults.holding
        packet = rt.server.Packet(connection=1, frame={"type": "text_delta"}, at=0.0)
        assert faults.apply(packet)
        assert faults.flush() == []
        faults.install(rt.server.Drop())
        faults.clear()
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()


async def a_server_can_be_asked(kit: Any) -> None:
    async with kit.open_server(rt.server.ServerConfig(), name="asked") as server:
        assert server.url == "memory://asked"
        assert server.config == rt.server.ServerConfig()
        server.script(rt.testing.turn("Hello", text="scripted"))
        server.unscript()
        traffic: list[object] = []
        server.trace(traffic.append)
        async with kit.open_client(server.url, auth=server.issue_token()) as client:
            await client.ready()
            async with client.ask("Hello"):
                pass
            session = client.state.current_session
            assert session.messages[-1].content == "You said: Hello"
            assert server.transcript(session.id)
            assert len(server.export_chats()) == 1
            assert traffic
            request = rt.server.Request(method="GET", target="/nothing", headers={})
            assert server.handle(request).status == 404
            await server.restart()
            await kit.until(lambda: client.health.links == 2)
            assert "faults" in dir(server)
            assert "rt." in repr(client) or kit.name == "native"


# -- cancelling ----------------------------------------------------------------------------


async def a_receive_loses_nothing_when_cancelled(kit: Any) -> None:
    async with kit.open_server() as server:
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            with client.subscribe(rt.MessageComplete) as notes:

                async def read() -> None:
                    await notes.receive()

                await kit.cancelled(read)
                async with client.ask("Hello"):
                    pass
                assert (await notes.receive()).message.content == "You said: Hello"


async def a_turn_is_cancelled(kit: Any) -> None:
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.wait(60), text="never"))
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            turns = []

            async def ask() -> None:
                async with client.ask("Hello") as turn:
                    turns.append(turn)
                    await turn.wait()

            await kit.cancelled(ask, lambda: turns)
            assert isinstance(await turns[0].wait(), (rt.TurnCancelled, rt.TurnLost))
            await client.ready()
