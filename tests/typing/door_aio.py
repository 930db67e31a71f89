"""The types of ``rt.aio``, as ``api.py`` asserts the native ones.

Written by tools/door_types.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, assert_type

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._core._messages import Content
from realtime_trio._core._values import Log

T = TypeVar("T")
Opened: TypeAlias = AbstractAsyncContextManager[rt.aio.Client]
Overflow: TypeAlias = rt.Coalesce | rt.Block | rt.DropOldest | rt.Latest
Piece: TypeAlias = (
    rt.TextPart | rt.ImagePart | rt.ToolUsePart | rt.ToolResultPart | rt.PlaceholderPart
)
Subsession: TypeAlias = rt.SubsessionStarted | rt.SubsessionEnded


class Vault:
    async def token(self) -> str:
        return "a token"


async def entered(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


def progress(read: int, size: int) -> None:
    assert_type((read, size), tuple[int, int])


def change(it: rt.Change) -> None:
    assert_type(it.path, tuple[str | int, ...])
    assert_type(it.before, object)
    assert_type(it.after, object)


def traffic(it: rt.server.Traffic) -> None:
    assert_type(it.connection, int)
    assert_type(it.status, int)
    assert_type(it.frame, str | bytes | Mapping[str, object])
    kind: Literal["open", "close", "in", "out", "http"] = it.kind
    assert_type(kind, Literal["open", "close", "in", "out", "http"])


def media(it: rt.Media) -> None:
    assert_type(it.id, str)
    assert_type(it.role, str)
    assert_type(it.content_type, str)
    assert_type(it.content, str | None)
    assert_type(it.url, str | None)
    assert_type(it.name, str | None)
    assert_type(it.sent_by_class, str | None)
    assert_type(it.sent_by_function, str | None)
    assert_type(it.foreign_content, bool)
    assert_type(it.save("downloads", max_bytes=1024), Path)


async def dialling(claim: rt.fleet.Claim) -> rt.fleet.Dial:
    assert_type(claim.session, str)
    assert_type(claim.labels, dict[str, str])
    assert_type(claim.agent_key, str | None)
    assert_type(claim.chat_session_id, str | None)
    assert_type(claim.token, int)
    return rt.fleet.Dial("https://server", auth="token", agent_key="lawyer")


def message(it: rt.Message) -> None:
    assert_type(it.id, str)
    assert_type(it.session_id, str)
    assert_type(it.role, str)
    assert_type(it.content, Content)
    assert_type(it.format, str)
    assert_type(it.status, Literal["streaming", "complete", "cancelled", "interrupted"])
    assert_type(it.timestamp, datetime)
    assert_type(it.tool_calls, Sequence[ev.ToolCall])
    assert_type(it.tool_results, Sequence[ev.ToolResult])
    assert_type(it.metadata, rt.MessageMetadata)
    assert_type(it.is_sub_session, bool)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)


def session(it: rt.Session) -> None:
    assert_type(it.id, str)
    assert_type(it.name, str | None)
    assert_type(it.metadata, Mapping[str, Any])
    assert_type(it.vendor, str)
    assert_type(it.agent, ev.AgentConfiguration | None)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)
    assert_type(it.messages, Log[rt.Message])
    assert_type(it.open_message, rt.OpenMessage | None)
    assert_type(it.waiting_tools, tuple[ev.ToolCall, ...])
    assert_type(it.input_tokens, int)
    assert_type(it.output_tokens, int)
    assert_type(it.token_count, int)
    assert_type(it.is_sub_session, bool)


def opening(
    url: str,
    auth: rt.Auth,
    login: rt.PasswordLogin,
    config: rt.ClientConfig,
    transport: rt.Connector,
    recorder: rt.RecorderLike,
    journal: rt.Journal,
) -> None:
    assert_type(rt.aio.open_client(url, auth="token"), Opened)
    assert_type(rt.aio.open_client(url, auth=login), Opened)
    assert_type(rt.aio.open_client(url, auth=Vault()), Opened)
    assert_type(
        rt.aio.open_client(
            url,
            auth=auth,
            agent_key="lawyer",
            chat_session_id=None,
            config=config,
            transport=transport,
            recorder=recorder,
            journal=journal,
            name="call",
            recover=True,
        ),
        Opened,
    )


async def client(client: rt.aio.Client, event: ev.SetAgentEvent) -> None:
    assert_type(client.state, rt.SessionState)
    assert_type(client.health, rt.Health)
    assert_type(client.recovered, rt.Recovered | None)
    assert_type(client.durable_position, int | None)
    assert_type(client.watch_durable_position(), rt.aio.Watch[int])
    assert_type(client.statistics(), rt.PipelineStatistics)
    assert_type(client.heygen_token, str | None)
    assert_type(client.control, rt.aio.LaneView)
    assert_type(client.text, rt.aio.LaneView)
    assert_type(client.audio, rt.aio.AudioLane)
    assert_type(await client.ready(), None)
    assert_type(await client.send(event), rt.aio.Receipt)
    assert_type(await client.send(event, force=True), rt.aio.Receipt)
    assert_type(client.send_nowait(event), rt.aio.Receipt)
    assert_type(client.send_nowait(event, force=True), rt.aio.Receipt)
    assert_type(await client.cancel(), rt.CancelResult)
    assert_type(await client.drain(), None)
    assert_type(client.sessions(), AsyncGenerator[ev.ChatSessionIndexEntry, None])
    async for entry in client.sessions(page=20):
        assert_type(entry, ev.ChatSessionIndexEntry)
    assert_type(await client.upload_file("a.txt"), rt.UploadedFile)
    assert_type(await client.upload_file(Path("a.txt"), progress=progress), rt.UploadedFile)
    assert_type(
        await client.upload_file(b"...", filename="a.txt", mime_type="text/plain"), rt.UploadedFile
    )
    assert_type(await entered(client.push_to_talk(force=True)), None)
    assert_type(await entered(client.ask("Hello", file_ids=["f1"])), rt.aio.Turn)
    async with client.ask("Hello") as turn:
        assert_type(turn, rt.aio.Turn)


async def commands(client: rt.aio.Client) -> None:
    assert_type(await client.ping(), rt.aio.Receipt)
    assert_type(await client.get_agents(force=True), rt.aio.Receipt)
    assert_type(await client.get_avatars(force=True), rt.aio.Receipt)
    assert_type(await client.get_voices(force=True), rt.aio.Receipt)
    assert_type(await client.get_tool_catalog(force=True), rt.aio.Receipt)
    assert_type(await client.list_workspaces(force=True), rt.aio.Receipt)
    assert_type(await client.add_workspace({"name": "w"}, force=True), rt.aio.Receipt)
    assert_type(await client.remove_workspace("w", force=True), rt.aio.Receipt)
    assert_type(await client.set_agent("lawyer", force=True), rt.aio.Receipt)
    assert_type(await client.set_agent_tools(["search"], force=True), rt.aio.Receipt)
    assert_type(await client.text_input("Hello", ["f1"], force=True), rt.aio.Receipt)
    assert_type(await client.new_chat_session("lawyer", force=True), rt.aio.Receipt)
    assert_type(await client.resume_chat_session("s1", force=True), rt.aio.Receipt)
    assert_type(await client.set_chat_session_name("n", "s1", force=True), rt.aio.Receipt)
    assert_type(await client.set_session_metadata({"k": 1}, force=True), rt.aio.Receipt)
    assert_type(await client.set_session_messages([{"role": "user"}], force=True), rt.aio.Receipt)
    assert_type(await client.get_user_sessions(0, 50, force=True), rt.aio.Receipt)
    assert_type(await client.delete_chat_session("s1", force=True), rt.aio.Receipt)
    assert_type(await client.set_agent_voice("v", force=True), rt.aio.Receipt)
    assert_type(await client.set_voice_input_mode("ptt", force=True), rt.aio.Receipt)
    assert_type(await client.ptt_start(force=True), rt.aio.Receipt)
    assert_type(await client.ptt_end(), rt.aio.Receipt)
    assert_type(await client.audio_input_delta(b"..", force=True), rt.aio.Receipt)
    assert_type(await client.set_avatar("a", "medium", "H264", force=True), rt.aio.Receipt)
    assert_type(await client.set_avatar_session("t", "a", force=True), rt.aio.Receipt)
    assert_type(await client.clear_avatar_session("s1", force=True), rt.aio.Receipt)


async def turn(turn: rt.aio.Turn) -> None:
    assert_type(turn.text, rt.aio.TurnChannel[str])
    assert_type(turn.thoughts, rt.aio.TurnChannel[str])
    assert_type(turn.tools, rt.aio.TurnChannel[rt.ToolNotification])
    assert_type(turn.media, rt.aio.TurnChannel[rt.Media])
    assert_type(turn.subsessions, rt.aio.TurnChannel[Subsession])
    assert_type(turn.receipt, rt.aio.Receipt)
    assert_type(await turn.wait(), rt.Outcome)
    assert_type(turn.outcome, rt.Outcome)
    match turn.outcome:
        case rt.TurnCompleted(message=message):
            assert_type(message, rt.Message | None)
        case rt.TurnCancelled() | rt.TurnFailed() | rt.TurnLost() as other:
            assert_type(other, rt.TurnCancelled | rt.TurnFailed | rt.TurnLost)
    async for piece in turn.text:
        assert_type(piece, str)
    async for thought in turn.thoughts:
        assert_type(thought, str)
    async for tool in turn.tools:
        assert_type(tool, rt.ToolNotification)
    async for media in turn.media:
        assert_type(media, rt.Media)
    async for subsession in turn.subsessions:
        assert_type(subsession, Subsession)


async def turn_channel(channel: rt.aio.TurnChannel[str]) -> None:
    assert_type(await channel.receive(), str)
    assert_type(channel.receive_nowait(), str)
    assert_type(channel.statistics(), rt.TurnChannelStatistics)
    assert_type(channel.close(), None)
    assert_type(await channel.aclose(), None)
    with channel as same:
        assert_type(same, rt.aio.TurnChannel[str])


async def receipt(receipt: rt.aio.Receipt) -> None:
    assert_type(receipt.name, str)
    assert_type(receipt.status, Literal["queued", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(receipt.queued, bool)
    assert_type(await receipt.sent(), None)
    assert_type(await receipt.durable(), None)


async def subscribing(
    client: rt.aio.Client, classes: tuple[type[rt.MessageComplete] | type[rt.Lagged], ...]
) -> None:
    assert_type(client.subscribe(*classes), rt.aio.Subscription[rt.MessageComplete | rt.Lagged])
    assert_type(client.subscribe(), rt.aio.Subscription[rt.Notification])
    assert_type(client.subscribe(overflow=rt.Latest()), rt.aio.Subscription[rt.Notification])
    assert_type(client.subscribe(rt.MessageComplete), rt.aio.Subscription[rt.MessageComplete])
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Coalesce()),
        rt.aio.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged),
        rt.aio.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged, rt.AudioOutput),
        rt.aio.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged | rt.AudioOutput],
    )
    assert_type(
        client.subscribe(
            rt.MessageComplete,
            ev.ErrorEvent,
            rt.Lagged,
            rt.AudioOutput,
            rt.Connected,
            overflow=rt.Block(9),
        ),
        rt.aio.Subscription[
            rt.MessageComplete | ev.ErrorEvent | rt.Lagged | rt.AudioOutput | rt.Connected
        ],
    )
    async with client.subscribe(rt.MessageComplete, ev.ErrorEvent) as notes:
        async for note in notes:
            assert_type(note, rt.MessageComplete | ev.ErrorEvent)
            match note:
                case rt.MessageComplete(message=message):
                    assert_type(message, rt.Message)
                case ev.ErrorEvent():
                    assert_type(note, ev.ErrorEvent)


async def subscription(subscription: rt.aio.Subscription[rt.MessageComplete]) -> None:
    assert_type(await subscription.receive(), rt.MessageComplete)
    assert_type(subscription.receive_nowait(), rt.MessageComplete)
    assert_type(subscription.statistics(), rt.SubscriptionStatistics)
    assert_type(subscription.close(), None)
    assert_type(await subscription.aclose(), None)
    with subscription as same:
        assert_type(same, rt.aio.Subscription[rt.MessageComplete])
    async for note in subscription:
        assert_type(note, rt.MessageComplete)


async def lane_view(lane: rt.aio.LaneView) -> None:
    assert_type(lane.subscribe(), rt.aio.Subscription[rt.Notification])
    assert_type(lane.subscribe(overflow=rt.Block(64)), rt.aio.Subscription[rt.Notification])
    assert_type(lane.statistics(), rt.LaneStatistics)
    async for note in lane:
        assert_type(note, rt.Notification)


async def watching(client: rt.aio.Client) -> None:
    assert_type(client.watch(lambda state: state.turn.can_send_input), rt.aio.Watch[bool])
    assert_type(client.watch(lambda state: state.current_session), rt.aio.Watch[rt.Session | None])
    async with client.watch(lambda state: state.revision) as changes:
        async for revision in changes:
            assert_type(revision, int)


async def watch(watch: rt.aio.Watch[bool]) -> None:
    assert_type(await watch.receive(), bool)
    assert_type(watch.receive_nowait(), bool)
    assert_type(watch.close(), None)
    assert_type(await watch.aclose(), None)
    with watch as same:
        assert_type(same, rt.aio.Watch[bool])


async def audio(
    audio: rt.aio.AudioLane,
    sink: rt.audio.AudioSink,
    source: rt.audio.AudioSource,
    mode: rt.VoiceMode,
) -> None:
    assert_type(mode, Literal["ptt", "vad", "realtime"])
    assert_type(audio.subscribe(), rt.aio.Subscription[rt.Notification])
    assert_type(audio.statistics(), rt.AudioStatistics)
    async with audio.play_to(sink, config=rt.audio.PlaybackConfig()) as playback:
        assert_type(playback, rt.aio.Playback)
        assert_type(await playback.drained(), None)
        assert_type(playback.playing, bool)
        assert_type(playback.statistics(), rt.audio.PlaybackStatistics)
    assert_type(await entered(audio.play_to(sink)), rt.aio.Playback)
    assert_type(audio.flush(), rt.AudioFlushed | None)
    assert_type(audio.stop(), rt.AudioFlushed | None)
    assert_type(audio.begin_speech(), None)
    assert_type(await audio.send(b".."), None)
    assert_type(audio.send_nowait(b".."), None)
    assert_type(await audio.send_from(rt.audio.open_wav("q.wav")), None)
    assert_type(await audio.send_from(source, respect_turn=False, as_text=True, chunk=0.02), None)
    assert_type(
        await audio.talk(source, mode="vad", vad=rt.audio.VadConfig(), barge_in=False, chunk=0.02),
        None,
    )


async def sound() -> None:
    assert_type(rt.audio.open_wav("a.wav"), rt.audio.WavSource)
    assert_type(rt.audio.tone_source(1.0), rt.audio.MemorySource)
    assert_type(rt.audio.silence_source(1.0), rt.audio.MemorySource)
    async with rt.aio.open_wav_sink("a.wav") as wav:
        assert_type(wav, rt.aio.WavSink)
    async with rt.aio.open_microphone() as microphone:
        assert_type(microphone, rt.aio.Microphone)
        async for chunk in microphone:
            assert_type(chunk, bytes)
    async with rt.aio.open_speaker() as speaker:
        assert_type(speaker, rt.aio.Speaker)
    assert_type(rt.audio.silence(10), bytes)
    assert_type(rt.audio.tone(440.0, 10, 16000), bytes)


def opening_history() -> None:
    assert_type(
        rt.aio.open_history("calls.db", name="call"), AbstractAsyncContextManager[rt.aio.History]
    )


async def history(it: rt.aio.History, moment: datetime) -> None:
    assert_type(it.name, str | None)
    assert_type(it.first, int)
    assert_type(it.last, int)
    assert_type(it.gaps, tuple[rt.LogGap, ...])
    assert_type(it.ended_clean, bool)
    assert_type(it.at(1), rt.SessionState)
    assert_type(it.at(time=moment), rt.SessionState)
    assert_type(it.position_at(0.0), int)
    assert_type(it.diff(1, 2), tuple[rt.Change, ...])
    assert_type(it.find(lambda s: s.turn.can_send_input, after=1), int | None)
    assert_type(it.entries(since=1), AsyncGenerator[rt.HistoryEntry, None])


async def instruments(client: rt.aio.Client) -> None:
    with rt.instrument.prometheus() as metrics:
        assert_type(metrics.close(), None)
    traced = rt.instrument.opentelemetry(client)
    assert_type(traced, AbstractAsyncContextManager[None])
    for measure in rt.instrument.MEASURES:
        assert_type(measure, rt.instrument.Measure)
        assert_type(measure.name, str)
        assert_type(measure.unit, str)
        assert_type(measure.description, str)
        assert_type(measure.attributes, tuple[str, ...])
        assert_type(measure.prometheus_name, str)


async def serving(config: rt.server.ServerConfig, chats: list[Mapping[str, object]]) -> None:
    async with rt.aio.open_server(config, name="name", chats=chats) as opened:
        assert_type(opened, rt.aio.RealtimeServer)
    assert_type(rt.server.synthesise("nine", voice="en"), bytes)


async def server(server: rt.aio.RealtimeServer, request: rt.server.Request) -> None:
    assert_type(server.url, str)
    assert_type(server.config, rt.server.ServerConfig)
    assert_type(server.faults, rt.aio.Faults)
    assert_type(server.seen, deque[rt.server.Received])
    assert_type(await server.listen("127.0.0.1", 0), str)
    assert_type(server.script(rt.testing.turn("Hello", text="Hi")), None)
    assert_type(server.unscript(), None)
    assert_type(server.handle(request), rt.server.Response)
    assert_type(server.issue_token("me"), str)
    assert_type(server.hang_up("clean"), None)
    assert_type(await server.restart(1.0), None)
    assert_type(server.transcript("s1"), list[dict[str, object]])
    assert_type(server.export_chats(), list[dict[str, object]])
    assert_type(server.statistics(), rt.server.ServerStatistics)
    assert_type(server.trace(traffic), None)


def faults(faults: rt.aio.Faults, plan: rt.server.Plan, packet: rt.server.Packet) -> None:
    assert_type(faults.install(plan), None)
    assert_type(faults.clear(), None)
    assert_type(faults.delay(1.0, jitter=0.5), None)
    assert_type(faults.drop(["pong"], probability=0.5), None)
    assert_type(faults.duplicate(["pong"], probability=0.5), None)
    assert_type(faults.reorder(["pong"], probability=0.5), None)
    assert_type(faults.garble(["pong"], probability=0.5), None)
    assert_type(faults.oversized(1024, types=["pong"]), None)
    assert_type(faults.slow_drain(10000.0), None)
    assert_type(faults.cut(3, how="abort", times=None), None)
    assert_type(faults.stall(1.0, after=3, times=None), None)
    assert_type(faults.mute(3, times=None), None)
    assert_type(faults.refuse(503, times=2), None)
    assert_type(faults.refusal(), tuple[bool, int | None])
    assert_type(faults.apply(packet), list[rt.server.Action])
    assert_type(faults.holding, bool)
    assert_type(faults.flush(), list[rt.server.Action])


async def wire_events(client: rt.aio.Client) -> None:
    async with client.subscribe(ev.TextDeltaEvent) as events:
        delta = await events.receive()
        assert_type(delta.session_id, str)
        assert_type(delta.id, Any)


async def opening_a_fleet(log: rt.fleet.FleetLog, config: rt.ClientConfig) -> None:
    assert_type(await entered(rt.aio.open_fleet(log, config=config)), rt.aio.Fleet)
    node = rt.aio.open_node(
        log, dialling, capacity=5, name="a", heartbeat=1.0, dials=16, drain=30.0
    )
    assert_type(await entered(node), rt.aio.Node)


async def fleet(it: rt.aio.Fleet) -> None:
    assert_type(
        await it.create("call", labels={"user": "u1"}, agent_key="a", chat_session_id="c"), bool
    )
    assert_type(await it.remove("call"), None)
    assert_type(await it.sessions(), Sequence[rt.fleet.Seat])
    assert_type(await it.nodes(), frozenset[str])
    session = it.attach("call", config=rt.ClientConfig())
    assert_type(await entered(session), rt.aio.RemoteSession)
    assert_type(await entered(it.attach("call")), rt.aio.RemoteSession)


async def remote_session(it: rt.aio.RemoteSession) -> None:
    assert_type(it.name, str)
    assert_type(it.state, rt.SessionState)
    assert_type(it.position, int)
    assert_type(it.owner, str | None)
    assert_type(it.exact, bool)
    assert_type(it.error, str | None)
    assert_type(it.control, rt.aio.LaneView)
    assert_type(it.text, rt.aio.LaneView)
    assert_type(it.audio, rt.aio.LaneView)
    assert_type(it.statistics(), rt.PipelineStatistics)
    assert_type(it.subscribe(), rt.aio.Subscription[rt.Notification])
    assert_type(
        it.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Latest()),
        rt.aio.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(it.watch(lambda state: state.revision), rt.aio.Watch[int])
    assert_type(await it.ready(), None)
    assert_type(await it.reached(17), None)
    assert_type(await it.cancel(key="k"), None)
    assert_type(await it.send(ev.PingEvent(), key="k", force=True), rt.aio.RemoteReceipt)
    assert_type(await it.send_text("Hi", file_ids=["f"], key="k"), rt.aio.RemoteReceipt)
    assert_type(await entered(it.ask("Hi", file_ids=["f"], key="k")), rt.aio.RemoteTurn)


async def remote_turn(it: rt.aio.RemoteTurn) -> None:
    assert_type(it.text, rt.aio.TurnChannel[str])
    assert_type(it.thoughts, rt.aio.TurnChannel[str])
    assert_type(it.tools, rt.aio.TurnChannel[rt.ToolNotification])
    assert_type(it.media, rt.aio.TurnChannel[rt.Media])
    assert_type(it.subsessions, rt.aio.TurnChannel[Subsession])
    assert_type(it.receipt, rt.aio.RemoteReceipt)
    assert_type(it.outcome, rt.Outcome)
    assert_type(await it.wait(), rt.Outcome)


async def remote_receipt(it: rt.aio.RemoteReceipt) -> None:
    assert_type(it.key, str)
    assert_type(it.number, int)
    assert_type(it.position, int)
    assert_type(it.status, Literal["queued", "accepted", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(await it.accepted(), None)
    assert_type(await it.sent(), None)
    assert_type(await it.durable(), None)


async def node(it: rt.aio.Node) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, tuple[str, ...])
    assert_type(it.health(), rt.fleet.NodeHealth)
    assert_type(await entered(it.changes()), rt.aio.NodeChanges)
    assert_type(await it.drain(), None)


async def node_changes(it: rt.aio.NodeChanges) -> None:
    assert_type(await it.receive(), rt.fleet.NodeChange)
    assert_type(it.receive_nowait(), rt.fleet.NodeChange)
    assert_type(it.close(), None)
    assert_type(await it.aclose(), None)
    async for change in it:
        assert_type(change, rt.fleet.Claimed | rt.fleet.Released | rt.fleet.Lost)


async def reconnect(it: rt.aio.Client) -> None:
    assert_type(it.reconnect(), rt.aio.Reconnection)
    assert_type(await it.reconnect(), None)


async def reconnection(it: rt.aio.Reconnection) -> None:
    assert_type(await it.wait(), None)
