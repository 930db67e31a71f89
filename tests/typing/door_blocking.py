"""The types of ``rt.blocking``, as ``api.py`` asserts the native ones.

Written by tools/door_types.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, assert_type

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._core._messages import Content
from realtime_trio._core._values import Log

T = TypeVar("T")
Opened: TypeAlias = AbstractContextManager[rt.blocking.Client]
Overflow: TypeAlias = rt.Coalesce | rt.Block | rt.DropOldest | rt.Latest
Piece: TypeAlias = (
    rt.TextPart | rt.ImagePart | rt.ToolUsePart | rt.ToolResultPart | rt.PlaceholderPart
)
Subsession: TypeAlias = rt.SubsessionStarted | rt.SubsessionEnded


class Vault:
    def token(self) -> str:
        return "a token"


def entered(manager: AbstractContextManager[T]) -> T:
    return manager.__enter__()


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


def dialling(claim: rt.fleet.Claim) -> rt.fleet.Dial:
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
    assert_type(rt.blocking.open_client(url, auth="token"), Opened)
    assert_type(rt.blocking.open_client(url, auth=login), Opened)
    assert_type(rt.blocking.open_client(url, auth=Vault()), Opened)
    assert_type(
        rt.blocking.open_client(
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


def client(client: rt.blocking.Client, event: ev.SetAgentEvent) -> None:
    assert_type(client.state, rt.SessionState)
    assert_type(client.health, rt.Health)
    assert_type(client.recovered, rt.Recovered | None)
    assert_type(client.durable_position, int | None)
    assert_type(client.watch_durable_position(), rt.blocking.Watch[int])
    assert_type(client.statistics(), rt.PipelineStatistics)
    assert_type(client.heygen_token, str | None)
    assert_type(client.control, rt.blocking.LaneView)
    assert_type(client.text, rt.blocking.LaneView)
    assert_type(client.audio, rt.blocking.AudioLane)
    assert_type(client.ready(), None)
    assert_type(client.send(event), rt.blocking.Receipt)
    assert_type(client.send(event, force=True), rt.blocking.Receipt)
    assert_type(client.send_nowait(event), rt.blocking.Receipt)
    assert_type(client.send_nowait(event, force=True), rt.blocking.Receipt)
    assert_type(client.cancel(), rt.CancelResult)
    assert_type(client.drain(), None)
    assert_type(client.sessions(), Generator[ev.ChatSessionIndexEntry, None])
    for entry in client.sessions(page=20):
        assert_type(entry, ev.ChatSessionIndexEntry)
    assert_type(client.upload_file("a.txt"), rt.UploadedFile)
    assert_type(client.upload_file(Path("a.txt"), progress=progress), rt.UploadedFile)
    assert_type(
        client.upload_file(b"...", filename="a.txt", mime_type="text/plain"), rt.UploadedFile
    )
    assert_type(entered(client.push_to_talk(force=True)), None)
    assert_type(entered(client.ask("Hello", file_ids=["f1"])), rt.blocking.Turn)
    with client.ask("Hello") as turn:
        assert_type(turn, rt.blocking.Turn)


def commands(client: rt.blocking.Client) -> None:
    assert_type(client.ping(), rt.blocking.Receipt)
    assert_type(client.get_agents(force=True), rt.blocking.Receipt)
    assert_type(client.get_avatars(force=True), rt.blocking.Receipt)
    assert_type(client.get_voices(force=True), rt.blocking.Receipt)
    assert_type(client.get_tool_catalog(force=True), rt.blocking.Receipt)
    assert_type(client.list_workspaces(force=True), rt.blocking.Receipt)
    assert_type(client.add_workspace({"name": "w"}, force=True), rt.blocking.Receipt)
    assert_type(client.remove_workspace("w", force=True), rt.blocking.Receipt)
    assert_type(client.set_agent("lawyer", force=True), rt.blocking.Receipt)
    assert_type(client.set_agent_tools(["search"], force=True), rt.blocking.Receipt)
    assert_type(client.text_input("Hello", ["f1"], force=True), rt.blocking.Receipt)
    assert_type(client.new_chat_session("lawyer", force=True), rt.blocking.Receipt)
    assert_type(client.resume_chat_session("s1", force=True), rt.blocking.Receipt)
    assert_type(client.set_chat_session_name("n", "s1", force=True), rt.blocking.Receipt)
    assert_type(client.set_session_metadata({"k": 1}, force=True), rt.blocking.Receipt)
    assert_type(client.set_session_messages([{"role": "user"}], force=True), rt.blocking.Receipt)
    assert_type(client.get_user_sessions(0, 50, force=True), rt.blocking.Receipt)
    assert_type(client.delete_chat_session("s1", force=True), rt.blocking.Receipt)
    assert_type(client.set_agent_voice("v", force=True), rt.blocking.Receipt)
    assert_type(client.set_voice_input_mode("ptt", force=True), rt.blocking.Receipt)
    assert_type(client.ptt_start(force=True), rt.blocking.Receipt)
    assert_type(client.ptt_end(), rt.blocking.Receipt)
    assert_type(client.audio_input_delta(b"..", force=True), rt.blocking.Receipt)
    assert_type(client.set_avatar("a", "medium", "H264", force=True), rt.blocking.Receipt)
    assert_type(client.set_avatar_session("t", "a", force=True), rt.blocking.Receipt)
    assert_type(client.clear_avatar_session("s1", force=True), rt.blocking.Receipt)


def turn(turn: rt.blocking.Turn) -> None:
    assert_type(turn.text, rt.blocking.TurnChannel[str])
    assert_type(turn.thoughts, rt.blocking.TurnChannel[str])
    assert_type(turn.tools, rt.blocking.TurnChannel[rt.ToolNotification])
    assert_type(turn.media, rt.blocking.TurnChannel[rt.Media])
    assert_type(turn.subsessions, rt.blocking.TurnChannel[Subsession])
    assert_type(turn.receipt, rt.blocking.Receipt)
    assert_type(turn.wait(), rt.Outcome)
    assert_type(turn.outcome, rt.Outcome)
    match turn.outcome:
        case rt.TurnCompleted(message=message):
            assert_type(message, rt.Message | None)
        case rt.TurnCancelled() | rt.TurnFailed() | rt.TurnLost() as other:
            assert_type(other, rt.TurnCancelled | rt.TurnFailed | rt.TurnLost)
    for piece in turn.text:
        assert_type(piece, str)
    for thought in turn.thoughts:
        assert_type(thought, str)
    for tool in turn.tools:
        assert_type(tool, rt.ToolNotification)
    for media in turn.media:
        assert_type(media, rt.Media)
    for subsession in turn.subsessions:
        assert_type(subsession, Subsession)


def turn_channel(channel: rt.blocking.TurnChannel[str]) -> None:
    assert_type(channel.receive(), str)
    assert_type(channel.receive_nowait(), str)
    assert_type(channel.statistics(), rt.TurnChannelStatistics)
    assert_type(channel.close(), None)
    with channel as same:
        assert_type(same, rt.blocking.TurnChannel[str])


def receipt(receipt: rt.blocking.Receipt) -> None:
    assert_type(receipt.name, str)
    assert_type(receipt.status, Literal["queued", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(receipt.queued, bool)
    assert_type(receipt.sent(), None)
    assert_type(receipt.durable(), None)


def subscribing(
    client: rt.blocking.Client, classes: tuple[type[rt.MessageComplete] | type[rt.Lagged], ...]
) -> None:
    assert_type(
        client.subscribe(*classes), rt.blocking.Subscription[rt.MessageComplete | rt.Lagged]
    )
    assert_type(client.subscribe(), rt.blocking.Subscription[rt.Notification])
    assert_type(client.subscribe(overflow=rt.Latest()), rt.blocking.Subscription[rt.Notification])
    assert_type(client.subscribe(rt.MessageComplete), rt.blocking.Subscription[rt.MessageComplete])
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Coalesce()),
        rt.blocking.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged),
        rt.blocking.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged, rt.AudioOutput),
        rt.blocking.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged | rt.AudioOutput],
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
        rt.blocking.Subscription[
            rt.MessageComplete | ev.ErrorEvent | rt.Lagged | rt.AudioOutput | rt.Connected
        ],
    )
    with client.subscribe(rt.MessageComplete, ev.ErrorEvent) as notes:
        for note in notes:
            assert_type(note, rt.MessageComplete | ev.ErrorEvent)
            match note:
                case rt.MessageComplete(message=message):
                    assert_type(message, rt.Message)
                case ev.ErrorEvent():
                    assert_type(note, ev.ErrorEvent)


def subscription(subscription: rt.blocking.Subscription[rt.MessageComplete]) -> None:
    assert_type(subscription.receive(), rt.MessageComplete)
    assert_type(subscription.receive_nowait(), rt.MessageComplete)
    assert_type(subscription.statistics(), rt.SubscriptionStatistics)
    assert_type(subscription.close(), None)
    with subscription as same:
        assert_type(same, rt.blocking.Subscription[rt.MessageComplete])
    for note in subscription:
        assert_type(note, rt.MessageComplete)


def lane_view(lane: rt.blocking.LaneView) -> None:
    assert_type(lane.subscribe(), rt.blocking.Subscription[rt.Notification])
    assert_type(lane.subscribe(overflow=rt.Block(64)), rt.blocking.Subscription[rt.Notification])
    assert_type(lane.statistics(), rt.LaneStatistics)
    for note in lane:
        assert_type(note, rt.Notification)


def watching(client: rt.blocking.Client) -> None:
    assert_type(client.watch(lambda state: state.turn.can_send_input), rt.blocking.Watch[bool])
    assert_type(
        client.watch(lambda state: state.current_session), rt.blocking.Watch[rt.Session | None]
    )
    with client.watch(lambda state: state.revision) as changes:
        for revision in changes:
            assert_type(revision, int)


def watch(watch: rt.blocking.Watch[bool]) -> None:
    assert_type(watch.receive(), bool)
    assert_type(watch.receive_nowait(), bool)
    assert_type(watch.close(), None)
    with watch as same:
        assert_type(same, rt.blocking.Watch[bool])


def audio(
    audio: rt.blocking.AudioLane,
    sink: rt.audio.AudioSink,
    source: rt.audio.AudioSource,
    mode: rt.VoiceMode,
) -> None:
    assert_type(mode, Literal["ptt", "vad", "realtime"])
    assert_type(audio.subscribe(), rt.blocking.Subscription[rt.Notification])
    assert_type(audio.statistics(), rt.AudioStatistics)
    with audio.play_to(sink, config=rt.audio.PlaybackConfig()) as playback:
        assert_type(playback, rt.blocking.Playback)
        assert_type(playback.drained(), None)
        assert_type(playback.playing, bool)
        assert_type(playback.statistics(), rt.audio.PlaybackStatistics)
    assert_type(entered(audio.play_to(sink)), rt.blocking.Playback)
    assert_type(audio.flush(), rt.AudioFlushed | None)
    assert_type(audio.stop(), rt.AudioFlushed | None)
    assert_type(audio.begin_speech(), None)
    assert_type(audio.send(b".."), None)
    assert_type(audio.send_nowait(b".."), None)
    assert_type(audio.send_from(rt.audio.open_wav("q.wav")), None)
    assert_type(audio.send_from(source, respect_turn=False, as_text=True, chunk=0.02), None)
    assert_type(
        audio.talk(source, mode="vad", vad=rt.audio.VadConfig(), barge_in=False, chunk=0.02), None
    )


def sound() -> None:
    assert_type(rt.audio.open_wav("a.wav"), rt.audio.WavSource)
    assert_type(rt.audio.tone_source(1.0), rt.audio.MemorySource)
    assert_type(rt.audio.silence_source(1.0), rt.audio.MemorySource)
    with rt.blocking.open_wav_sink("a.wav") as wav:
        assert_type(wav, rt.blocking.WavSink)
    with rt.blocking.open_microphone() as microphone:
        assert_type(microphone, rt.blocking.Microphone)
        for chunk in microphone:
            assert_type(chunk, bytes)
    with rt.blocking.open_speaker() as speaker:
        assert_type(speaker, rt.blocking.Speaker)
    assert_type(rt.audio.silence(10), bytes)
    assert_type(rt.audio.tone(440.0, 10, 16000), bytes)


def opening_history() -> None:
    assert_type(
        rt.blocking.open_history("calls.db", name="call"),
        AbstractContextManager[rt.blocking.History],
    )


def history(it: rt.blocking.History, moment: datetime) -> None:
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
    assert_type(it.entries(since=1), Generator[rt.HistoryEntry, None])


def instruments(client: rt.blocking.Client) -> None:
    with rt.instrument.prometheus() as metrics:
        assert_type(metrics.close(), None)
    traced = rt.instrument.opentelemetry(client)
    assert_type(traced, AbstractContextManager[None])
    for measure in rt.instrument.MEASURES:
        assert_type(measure, rt.instrument.Measure)
        assert_type(measure.name, str)
        assert_type(measure.unit, str)
        assert_type(measure.description, str)
        assert_type(measure.attributes, tuple[str, ...])
        assert_type(measure.prometheus_name, str)


def serving(config: rt.server.ServerConfig, chats: list[Mapping[str, object]]) -> None:
    with rt.blocking.open_server(config, name="name", chats=chats) as opened:
        assert_type(opened, rt.blocking.RealtimeServer)
    assert_type(rt.server.synthesise("nine", voice="en"), bytes)


def server(server: rt.blocking.RealtimeServer, request: rt.server.Request) -> None:
    assert_type(server.url, str)
    assert_type(server.config, rt.server.ServerConfig)
    assert_type(server.faults, rt.blocking.Faults)
    assert_type(server.seen, deque[rt.server.Received])
    assert_type(server.listen("127.0.0.1", 0), str)
    assert_type(server.script(rt.testing.turn("Hello", text="Hi")), None)
    assert_type(server.unscript(), None)
    assert_type(server.handle(request), rt.server.Response)
    assert_type(server.issue_token("me"), str)
    assert_type(server.hang_up("clean"), None)
    assert_type(server.restart(1.0), None)
    assert_type(server.transcript("s1"), list[dict[str, object]])
    assert_type(server.export_chats(), list[dict[str, object]])
    assert_type(server.statistics(), rt.server.ServerStatistics)
    assert_type(server.trace(traffic), None)


def faults(faults: rt.blocking.Faults, plan: rt.server.Plan, packet: rt.server.Packet) -> None:
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


def wire_events(client: rt.blocking.Client) -> None:
    with client.subscribe(ev.TextDeltaEvent) as events:
        delta = events.receive()
        assert_type(delta.session_id, str)
        assert_type(delta.id, Any)


def opening_a_fleet(log: rt.fleet.FleetLog, config: rt.ClientConfig) -> None:
    assert_type(entered(rt.blocking.open_fleet(log, config=config)), rt.blocking.Fleet)
    node = rt.blocking.open_node(
        log, dialling, capacity=5, name="a", heartbeat=1.0, dials=16, drain=30.0
    )
    assert_type(entered(node), rt.blocking.Node)


def fleet(it: rt.blocking.Fleet) -> None:
    assert_type(it.create("call", labels={"user": "u1"}, agent_key="a", chat_session_id="c"), bool)
    assert_type(it.remove("call"), None)
    assert_type(it.sessions(), Sequence[rt.fleet.Seat])
    assert_type(it.nodes(), frozenset[str])
    session = it.attach("call", config=rt.ClientConfig())
    assert_type(entered(session), rt.blocking.RemoteSession)
    assert_type(entered(it.attach("call")), rt.blocking.RemoteSession)


def remote_session(it: rt.blocking.RemoteSession) -> None:
    assert_type(it.name, str)
    assert_type(it.state, rt.SessionState)
    assert_type(it.position, int)
    assert_type(it.owner, str | None)
    assert_type(it.exact, bool)
    assert_type(it.error, str | None)
    assert_type(it.control, rt.blocking.LaneView)
    assert_type(it.text, rt.blocking.LaneView)
    assert_type(it.audio, rt.blocking.LaneView)
    assert_type(it.statistics(), rt.PipelineStatistics)
    assert_type(it.subscribe(), rt.blocking.Subscription[rt.Notification])
    assert_type(
        it.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Latest()),
        rt.blocking.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(it.watch(lambda state: state.revision), rt.blocking.Watch[int])
    assert_type(it.ready(), None)
    assert_type(it.reached(17), None)
    assert_type(it.cancel(key="k"), None)
    assert_type(it.send(ev.PingEvent(), key="k", force=True), rt.blocking.RemoteReceipt)
    assert_type(it.send_text("Hi", file_ids=["f"], key="k"), rt.blocking.RemoteReceipt)
    assert_type(entered(it.ask("Hi", file_ids=["f"], key="k")), rt.blocking.RemoteTurn)


def remote_turn(it: rt.blocking.RemoteTurn) -> None:
    assert_type(it.text, rt.blocking.TurnChannel[str])
    assert_type(it.thoughts, rt.blocking.TurnChannel[str])
    assert_type(it.tools, rt.blocking.TurnChannel[rt.ToolNotification])
    assert_type(it.media, rt.blocking.TurnChannel[rt.Media])
    assert_type(it.subsessions, rt.blocking.TurnChannel[Subsession])
    assert_type(it.receipt, rt.blocking.RemoteReceipt)
    assert_type(it.outcome, rt.Outcome)
    assert_type(it.wait(), rt.Outcome)


def remote_receipt(it: rt.blocking.RemoteReceipt) -> None:
    assert_type(it.key, str)
    assert_type(it.number, int)
    assert_type(it.position, int)
    assert_type(it.status, Literal["queued", "accepted", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(it.accepted(), None)
    assert_type(it.sent(), None)
    assert_type(it.durable(), None)


def node(it: rt.blocking.Node) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, tuple[str, ...])
    assert_type(it.health(), rt.fleet.NodeHealth)
    assert_type(entered(it.changes()), rt.blocking.NodeChanges)
    assert_type(it.drain(), None)


def node_changes(it: rt.blocking.NodeChanges) -> None:
    assert_type(it.receive(), rt.fleet.NodeChange)
    assert_type(it.receive_nowait(), rt.fleet.NodeChange)
    assert_type(it.close(), None)
    for change in it:
        assert_type(change, rt.fleet.Claimed | rt.fleet.Released | rt.fleet.Lost)


def reconnect(it: rt.blocking.Client) -> None:
    assert_type(it.reconnect(), rt.blocking.Reconnection)


def reconnection(it: rt.blocking.Reconnection) -> None:
    assert_type(it.wait(), None)
