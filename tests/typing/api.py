"""The type of every public call and attribute, as mypy and pyright see it: checked, never run.

``tests/test_typing.py`` sees that nothing public is missing here. A member counts where it
stands in an ``assert_type`` of a parameter that is annotated with its class.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, assert_type

import trio
from hypothesis.strategies import SearchStrategy

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._config import CloseAction
from realtime_trio._core._input_unit import InputUnit
from realtime_trio._core._messages import Content
from realtime_trio._core._values import Log, Recent, Rope
from realtime_trio._transports._network import Network, OpenStream
from realtime_trio.testing._check_handler import Handler
from realtime_trio.testing._check_log import MakeLog

T = TypeVar("T")
Opened: TypeAlias = AbstractAsyncContextManager[rt.Client]
Overflow: TypeAlias = rt.Coalesce | rt.Block | rt.DropOldest | rt.Latest
Piece: TypeAlias = (
    rt.TextPart | rt.ImagePart | rt.ToolUsePart | rt.ToolResultPart | rt.PlaceholderPart
)
Subsession: TypeAlias = rt.SubsessionStarted | rt.SubsessionEnded


# -- opening a client ----------------------------------------------------------------------


class Vault:
    async def token(self) -> str:
        return "a token"


def opening(
    url: str,
    auth: rt.Auth,
    login: rt.PasswordLogin,
    config: rt.ClientConfig,
    transport: rt.Connector,
    recorder: rt.RecorderLike,
    journal: rt.Journal,
) -> None:
    assert_type(rt.open_client(url, auth="token"), Opened)
    assert_type(rt.open_client(url, auth=login), Opened)
    assert_type(rt.open_client(url, auth=Vault()), Opened)
    assert_type(
        rt.open_client(
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


async def authenticating(auth: rt.Auth) -> None:
    assert_type(await auth.token(), str)
    assert_type(rt.PasswordLogin("me", "secret"), rt.PasswordLogin)


# -- the client ----------------------------------------------------------------------------


async def client(client: rt.Client, event: ev.SetAgentEvent) -> None:
    assert_type(client.state, rt.SessionState)
    assert_type(client.health, rt.Health)
    assert_type(client.recovered, rt.Recovered | None)
    assert_type(client.durable_position, int | None)
    assert_type(client.watch_durable_position(), rt.Watch[int])
    assert_type(client.statistics(), rt.PipelineStatistics)
    assert_type(client.heygen_token, str | None)
    assert_type(client.control, rt.LaneView)
    assert_type(client.text, rt.LaneView)
    assert_type(client.audio, rt.AudioLane)
    assert_type(await client.ready(), None)
    assert_type(await client.send(event), rt.Receipt)
    assert_type(await client.send(event, force=True), rt.Receipt)
    assert_type(client.send_nowait(event), rt.Receipt)
    assert_type(client.send_nowait(event, force=True), rt.Receipt)
    assert_type(await client.cancel(), rt.CancelResult)
    assert_type(await client.drain(), None)
    assert_type(client.sessions(), AsyncGenerator[ev.ChatSessionIndexEntry, None])
    async for entry in client.sessions(page=20):
        assert_type(entry, ev.ChatSessionIndexEntry)
    assert_type(await client.upload_file("a.txt"), rt.UploadedFile)
    assert_type(await client.upload_file(Path("a.txt"), progress=progress), rt.UploadedFile)
    assert_type(
        await client.upload_file(b"...", filename="a.txt", mime_type="text/plain"),
        rt.UploadedFile,
    )
    assert_type(await entered(client.push_to_talk(force=True)), None)
    assert_type(await entered(client.ask("Hello", file_ids=["f1"])), rt.Turn)
    async with client.ask("Hello") as turn:
        assert_type(turn, rt.Turn)


async def entered(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


def progress(read: int, size: int) -> None:
    assert_type((read, size), tuple[int, int])


async def commands(client: rt.Client) -> None:
    assert_type(await client.ping(), rt.Receipt)
    assert_type(await client.get_agents(force=True), rt.Receipt)
    assert_type(await client.get_avatars(force=True), rt.Receipt)
    assert_type(await client.get_voices(force=True), rt.Receipt)
    assert_type(await client.get_tool_catalog(force=True), rt.Receipt)
    assert_type(await client.list_workspaces(force=True), rt.Receipt)
    assert_type(await client.add_workspace({"name": "w"}, force=True), rt.Receipt)
    assert_type(await client.remove_workspace("w", force=True), rt.Receipt)
    assert_type(await client.set_agent("lawyer", force=True), rt.Receipt)
    assert_type(await client.set_agent_tools(["search"], force=True), rt.Receipt)
    assert_type(await client.text_input("Hello", ["f1"], force=True), rt.Receipt)
    assert_type(await client.new_chat_session("lawyer", force=True), rt.Receipt)
    assert_type(await client.resume_chat_session("s1", force=True), rt.Receipt)
    assert_type(await client.set_chat_session_name("n", "s1", force=True), rt.Receipt)
    assert_type(await client.set_session_metadata({"k": 1}, force=True), rt.Receipt)
    assert_type(await client.set_session_messages([{"role": "user"}], force=True), rt.Receipt)
    assert_type(await client.get_user_sessions(0, 50, force=True), rt.Receipt)
    assert_type(await client.delete_chat_session("s1", force=True), rt.Receipt)
    assert_type(await client.set_agent_voice("v", force=True), rt.Receipt)
    assert_type(await client.set_voice_input_mode("ptt", force=True), rt.Receipt)
    assert_type(await client.ptt_start(force=True), rt.Receipt)
    assert_type(await client.ptt_end(), rt.Receipt)
    assert_type(await client.audio_input_delta(b"..", force=True), rt.Receipt)
    assert_type(await client.set_avatar("a", "medium", "H264", force=True), rt.Receipt)
    assert_type(await client.set_avatar_session("t", "a", force=True), rt.Receipt)
    assert_type(await client.clear_avatar_session("s1", force=True), rt.Receipt)


# -- a turn --------------------------------------------------------------------------------


async def turn(turn: rt.Turn) -> None:
    assert_type(turn.text, rt.TurnChannel[str])
    assert_type(turn.thoughts, rt.TurnChannel[str])
    assert_type(turn.tools, rt.TurnChannel[rt.ToolNotification])
    assert_type(turn.media, rt.TurnChannel[rt.Media])
    assert_type(turn.subsessions, rt.TurnChannel[Subsession])
    assert_type(turn.receipt, rt.Receipt)
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


async def turn_channel(channel: rt.TurnChannel[str]) -> None:
    assert_type(await channel.receive(), str)
    assert_type(channel.receive_nowait(), str)
    assert_type(channel.statistics(), rt.TurnChannelStatistics)
    assert_type(channel.put("piece"), None)
    assert_type(channel.finish(), None)
    assert_type(channel.close(), None)
    assert_type(await channel.aclose(), None)
    with channel as same:
        assert_type(same, rt.TurnChannel[str])


def turn_channel_statistics(statistics: rt.TurnChannelStatistics) -> None:
    assert_type(statistics.depth, int)
    assert_type(statistics.max_depth, int)


async def receipt(receipt: rt.Receipt) -> None:
    assert_type(receipt.name, str)
    assert_type(receipt.status, Literal["queued", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(receipt.queued, bool)
    assert_type(await receipt.sent(), None)
    assert_type(receipt.settle("sent"), None)
    assert_type(await receipt.durable(), None)
    assert_type(receipt.log_queued("{}"), None)
    assert_type(receipt.log_sending(ahead=True), None)
    assert_type(await receipt.written_ahead(), None)


# -- subscriptions, lanes, watches ---------------------------------------------------------


async def subscribing(
    client: rt.Client, classes: tuple[type[rt.MessageComplete] | type[rt.Lagged], ...]
) -> None:
    assert_type(client.subscribe(*classes), rt.Subscription[rt.MessageComplete | rt.Lagged])
    assert_type(client.subscribe(), rt.Subscription[rt.Notification])
    assert_type(client.subscribe(overflow=rt.Latest()), rt.Subscription[rt.Notification])
    assert_type(client.subscribe(rt.MessageComplete), rt.Subscription[rt.MessageComplete])
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Coalesce()),
        rt.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged),
        rt.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged],
    )
    assert_type(
        client.subscribe(rt.MessageComplete, ev.ErrorEvent, rt.Lagged, rt.AudioOutput),
        rt.Subscription[rt.MessageComplete | ev.ErrorEvent | rt.Lagged | rt.AudioOutput],
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
        rt.Subscription[
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


async def subscription(subscription: rt.Subscription[rt.MessageComplete]) -> None:
    assert_type(await subscription.receive(), rt.MessageComplete)
    assert_type(subscription.receive_nowait(), rt.MessageComplete)
    assert_type(subscription.statistics(), rt.SubscriptionStatistics)
    assert_type(subscription.close(), None)
    assert_type(await subscription.aclose(), None)
    with subscription as same:
        assert_type(same, rt.Subscription[rt.MessageComplete])
    async for note in subscription:
        assert_type(note, rt.MessageComplete)
    assert_type(await from_channel(subscription), rt.MessageComplete)


async def from_channel(channel: trio.abc.ReceiveChannel[T]) -> T:
    return await channel.receive()


async def lane_view(lane: rt.LaneView) -> None:
    assert_type(lane.subscribe(), rt.Subscription[rt.Notification])
    assert_type(lane.subscribe(overflow=rt.Block(64)), rt.Subscription[rt.Notification])
    assert_type(lane.statistics(), rt.LaneStatistics)
    async for note in lane:
        assert_type(note, rt.Notification)


async def watching(client: rt.Client) -> None:
    assert_type(client.watch(lambda state: state.turn.can_send_input), rt.Watch[bool])
    assert_type(client.watch(lambda state: state.current_session), rt.Watch[rt.Session | None])
    async with client.watch(lambda state: state.revision) as changes:
        async for revision in changes:
            assert_type(revision, int)


async def watch(watch: rt.Watch[bool]) -> None:
    assert_type(await watch.receive(), bool)
    assert_type(watch.receive_nowait(), bool)
    assert_type(watch.close(), None)
    assert_type(await watch.aclose(), None)
    with watch as same:
        assert_type(same, rt.Watch[bool])


def overflow() -> None:
    assert_type(rt.Coalesce(), rt.Coalesce)
    assert_type(rt.Coalesce(10), rt.Coalesce)
    assert_type(rt.Block(10), rt.Block)
    assert_type(rt.DropOldest(10), rt.DropOldest)
    assert_type(rt.DropOldest(seconds=2.0), rt.DropOldest)
    assert_type(rt.Latest(), rt.Latest)


def any_overflow(rule: rt.Overflow) -> None:
    assert_type(rule, Overflow)


# -- audio ---------------------------------------------------------------------------------


async def audio(
    audio: rt.AudioLane, sink: rt.audio.AudioSink, source: rt.audio.AudioSource, mode: rt.VoiceMode
) -> None:
    assert_type(mode, Literal["ptt", "vad", "realtime"])
    assert_type(audio.subscribe(), rt.Subscription[rt.Notification])
    assert_type(audio.statistics(), rt.AudioStatistics)
    async with audio.play_to(sink, config=rt.audio.PlaybackConfig()) as playback:
        assert_type(playback, rt.audio.Playback)
        assert_type(await playback.drained(), None)
        assert_type(playback.playing, bool)
        assert_type(playback.statistics(), rt.audio.PlaybackStatistics)
    assert_type(await entered(audio.play_to(sink)), rt.audio.Playback)
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
    async with rt.audio.open_wav_sink("a.wav") as wav:
        assert_type(wav, rt.audio.WavSink)
    async with rt.audio.open_microphone() as microphone:
        assert_type(microphone, rt.audio.Microphone)
        async for chunk in microphone:
            assert_type(chunk, bytes)
    async with rt.audio.open_speaker() as speaker:
        assert_type(speaker, rt.audio.Speaker)
    assert_type(rt.audio.silence(10), bytes)
    assert_type(rt.audio.tone(440.0, 10, 16_000), bytes)


def audio_format(it: rt.AudioFormat) -> None:
    assert_type(it.rate, int)
    assert_type(it.channels, int)
    assert_type(it.encoding, Literal["pcm16"])
    assert_type(it.frame_bytes, int)
    assert_type(it.bytes_of(1.0), int)
    assert_type(it.seconds_of(32_000), float)


# -- without a network ---------------------------------------------------------------------


def processor(processor: rt.EventStreamProcessor) -> None:
    assert_type(rt.EventStreamProcessor(), rt.EventStreamProcessor)
    assert_type(
        rt.EventStreamProcessor(limits=rt.Limits(), registry=ev.REGISTRY), rt.EventStreamProcessor
    )
    assert_type(processor.state, rt.SessionState)
    assert_type(processor.tolerated, tuple[tuple[str, str], ...])
    assert_type(processor.process_event({"type": "pong"}), tuple[rt.Notification, ...])
    assert_type(processor.process_event(ev.PongEvent(), at=0.0), tuple[rt.Notification, ...])
    assert_type(processor.process_frame("{}"), tuple[rt.Notification, ...])
    assert_type(processor.process_frame(b"{}", at=0.0), tuple[rt.Notification, ...])
    assert_type(processor.process_audio(b"..", at=0.0), tuple[rt.Notification, ...])
    assert_type(processor.set_user_session_id("s1"), None)
    assert_type(processor.reset(), None)
    assert_type(processor.close(), None)


@rt.event("render_chart", lanes=rt.Lane.TEXT, urgent=False, aliases=("chart",))
class RenderChartEvent(rt.SessionEvent):
    series: list[float]


@rt.handles(RenderChartEvent, lane=rt.Lane.TEXT)
def chart(
    slice_: rt.TextSlice, event: RenderChartEvent
) -> tuple[rt.TextSlice, tuple[rt.Notification, ...]]:
    return slice_.with_extra("chart", event.series), ()


def own_events(slice_: rt.TextSlice) -> None:
    made = RenderChartEvent(session_id="s1", series=[1.0])
    assert_type(made, RenderChartEvent)
    assert_type(made.series, list[float])
    assert_type(chart(slice_, made), tuple[rt.TextSlice, tuple[rt.Notification, ...]])
    assert_type(rt.event("t")(RenderChartEvent), type[RenderChartEvent])


def vendors(messages: Iterable[rt.Message], raw: object) -> None:
    assert_type(rt.normalise_content(raw), str | tuple[Piece, ...])
    assert_type(rt.to_vendor(messages, "anthropic"), list[dict[str, Any]])
    assert_type(rt.to_vendor(messages, "openai"), list[dict[str, Any]])


def lanes(lane: rt.Lane, direction: rt.Direction) -> None:
    assert_type(rt.Lane(0), rt.Lane)
    assert_type(lane == rt.Lane.TEXT, bool)
    assert_type(rt.Direction.SERVER | rt.Direction.CLIENT, rt.Direction)
    assert_type(direction & rt.Direction.CLIENT, rt.Direction)


# -- the state -----------------------------------------------------------------------------


def state(state: rt.SessionState) -> None:
    assert_type(state.sessions["s1"], rt.Session)
    assert_type(state.sessions["s1"].messages[-1], rt.Message)
    assert_type(state.sessions["s1"].messages[-1].content, str | tuple[Piece, ...])
    assert_type(state.sessions["s1"].messages[:2], tuple[rt.Message, ...])


def control_slice(it: rt.ControlSlice) -> None:
    assert_type(it.connection, rt.Connection)
    assert_type(it.catalog, rt.Catalog)
    assert_type(it.turn, rt.TurnState)
    assert_type(it.ui_session_id, str | None)
    assert_type(it.chat_session_id, str | None)
    assert_type(it.deleted_session_id, str | None)
    assert_type(it.agent, ev.AgentConfiguration | None)
    assert_type(it.index, Sequence[ev.ChatSessionIndexEntry])
    assert_type(it.index_total, int)
    assert_type(it.voice, ev.Voice | None)
    assert_type(it.voice_requested, str | None)
    assert_type(it.avatar_active, bool)
    assert_type(it.listening, bool)
    assert_type(it.unit, InputUnit | None)
    assert_type(it.extra, Mapping[Any, Any])
    assert_type(it.seen, Recent[Hashable, bool])
    assert_type(it.now, float)
    assert_type(it.with_extra("key", 1), rt.ControlSlice)


def text_slice(it: rt.TextSlice) -> None:
    assert_type(it.sessions, Mapping[str, rt.Session])
    assert_type(it.current_session_id, str | None)
    assert_type(it.user_session_id, str | None)
    assert_type(it.active_tools, tuple[rt.ActiveTool, ...])
    assert_type(it.subsessions, tuple[rt.OpenSubsession, ...])
    assert_type(it.open, Mapping[str, rt.OpenMessage])
    assert_type(it.rest.current_session_id, str | None)
    assert_type(it.extra, Mapping[Any, Any])
    assert_type(it.seen, Recent[Hashable, bool])
    assert_type(it.tick, int)
    assert_type(it.now, float)
    assert_type(it.with_extra("key", 1), rt.TextSlice)


def audio_slice(it: rt.AudioSlice) -> None:
    assert_type(it.format, rt.AudioFormat | None)
    assert_type(it.voice, ev.Voice | None)
    assert_type(it.listening, bool)
    assert_type(it.user_turn, bool)
    assert_type(it.frames, int)
    assert_type(it.byte_count, int)
    assert_type(it.cancels, int)
    assert_type(it.carry, bytes)
    assert_type(it.stream, Hashable)
    assert_type(it.halves, tuple[tuple[Hashable, bytes], ...])
    assert_type(it.refused, tuple[str, ...])
    assert_type(it.extra, Mapping[Any, Any])
    assert_type(it.seen, Recent[Hashable, bool])
    assert_type(it.now, float)
    assert_type(it.with_extra("key", 1), rt.AudioSlice)


def open_message(it: rt.OpenMessage) -> None:
    assert_type(it.head, rt.Message)
    assert_type(it.text, Rope)
    assert_type(it.content, str)
    assert_type(it.id, str)
    assert_type(it.role, str)
    assert_type(it.touched, int)
    assert_type(it.half, str)
    assert_type(it.cut, bool)
    assert_type(it.snapshot(), rt.Message)
    assert_type(it.finish("complete", rt.MessageMetadata()), rt.Message)


# -- journal, history ----------------------------------------------------------------------


def journal(it: rt.Journal) -> None:
    assert_type(
        rt.Journal(
            Path("calls.db"),
            durability="each",
            keep=rt.Keep(days=30, snapshots=2),
            audio="full",
            compression="zstd",
            on_failure="stop",
        ),
        rt.Journal,
    )
    assert_type(it.path, Path)
    assert_type(it.statistics(), rt.JournalStatistics)


def journal_statistics(it: rt.JournalStatistics) -> None:
    assert_type(it.appended, int)
    assert_type(it.durable, int)
    assert_type(it.waiting, int)
    assert_type(it.waiting_bytes, int)
    assert_type(it.jumps, int)
    assert_type(it.bytes_written, int)
    assert_type(it.commit_p50, float)
    assert_type(it.commit_p99, float)
    assert_type(it.error, str | None)


def keep(it: rt.Keep) -> None:
    assert_type(it.days, float | None)
    assert_type(it.snapshots, int)


def recovered(it: rt.Recovered) -> None:
    assert_type(it.position, int)
    assert_type(it.at, datetime)
    assert_type(it.clean, bool)
    assert_type(it.exact, bool)
    assert_type(it.lost, tuple[int, int] | None)
    assert_type(it.commands, tuple[rt.RecoveredCommand, ...])


def recovered_command(it: rt.RecoveredCommand) -> None:
    assert_type(it.type, str)
    assert_type(it.frame, str)
    assert_type(it.error, rt.NotSent | rt.InDoubt)


def opening_history() -> None:
    assert_type(rt.open_history("calls.db", name="call"), AbstractAsyncContextManager[rt.History])


async def history(it: rt.History, moment: datetime) -> None:
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


def history_entry(it: rt.HistoryEntry) -> None:
    assert_type(it.position, int)
    assert_type(it.at, datetime)
    assert_type(
        it.kind,
        Literal["begin", "event", "audio", "local", "user-session", "reset", "command", "receipt"],
    )
    assert_type(it.frame, str | bytes | None)
    assert_type(it.event, ev.ServerEvent | None)
    assert_type(it.status, str | None)


def log_gap(it: rt.LogGap) -> None:
    assert_type(it.first, int)
    assert_type(it.last, int)
    assert_type(it.why, str)


def change(it: rt.Change) -> None:
    assert_type(it.path, tuple[str | int, ...])
    assert_type(it.before, object)
    assert_type(it.after, object)


def history_gap(it: rt.HistoryGap) -> None:
    assert_type(it.first, int)
    assert_type(it.last, int)


@rt.stored("kept")
class Kept(Enum):
    ONE = 1


def plain_data(state: rt.SessionState) -> None:
    assert_type(rt.to_dict(state), dict[str, Any])
    assert_type(rt.from_dict({}), Any)


async def instruments(client: rt.Client) -> None:
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


def storing() -> None:
    assert_type(rt.stored("kept")(Kept), type[Kept])


# -- recording, transports -----------------------------------------------------------------


async def recorder(recorder: rt.Recorder) -> None:
    assert_type(rt.Recorder("a.jsonl"), rt.Recorder)
    assert_type(rt.Recorder(Path("a.jsonl.gz"), max_lines=1, max_bytes=1), rt.Recorder)
    assert_type(recorder.statistics(), rt.RecorderStatistics)
    assert_type(recorder.hide("secret"), None)
    assert_type(recorder.record("in", "{}", conn=1, at=0.0), None)
    assert_type(await entered(recorder.open()), None)
    assert_type(rt.open_client("u", auth="t", recorder=recorder), Opened)


def recorder_like(it: rt.RecorderLike) -> None:
    assert_type(it.open(), AbstractAsyncContextManager[None])
    assert_type(it.record("out", b"..", conn=1, at=0.0), None)


async def transport(it: rt.Transport) -> None:
    assert_type(await it.send_text("{}"), None)
    assert_type(await it.send_bytes(b".."), None)
    assert_type(await it.receive(), str | bytes)
    assert_type(it.receive_nowait(), str | bytes)
    assert_type(await it.ping(), None)
    assert_type(await it.aclose(1000, ""), None)
    assert_type(it.bytes_received, int)


async def connector(it: rt.Connector, nursery: trio.Nursery) -> None:
    assert_type(await it.connect("ws://host", nursery), rt.Transport)


async def memory_connector(it: rt.MemoryConnector, nursery: trio.Nursery) -> None:
    assert_type(rt.MemoryConnector(connect_timeout=1.0), rt.MemoryConnector)
    assert_type(rt.open_client("memory://name", auth="t", transport=it), Opened)
    assert_type(it.connect_timeout, float)
    assert_type(await it.connect("memory://name", nursery), rt.Transport)


async def trio_websocket(it: rt.TrioWebsocketConnector, nursery: trio.Nursery) -> None:
    assert_type(rt.TrioWebsocketConnector(), rt.TrioWebsocketConnector)
    assert_type(it.max_message_size, int)
    assert_type(it.max_buffer, int)
    assert_type(it.connect_timeout, float)
    assert_type(it.close_timeout, float)
    assert_type(it.ssl_context, ssl.SSLContext | None)
    assert_type(await it.connect("ws://host", nursery), rt.Transport)


async def websockets(it: rt.WebsocketsConnector, nursery: trio.Nursery) -> None:
    assert_type(rt.WebsocketsConnector(), rt.WebsocketsConnector)
    assert_type(it.max_message_size, int)
    assert_type(it.max_buffer, int)
    assert_type(it.connect_timeout, float)
    assert_type(it.close_timeout, float)
    assert_type(it.ssl_context, ssl.SSLContext | None)
    assert_type(await it.connect("ws://host", nursery), rt.Transport)


async def memory_transport(it: rt.MemoryTransport) -> None:
    assert_type(rt.memory_pair(), tuple[rt.MemoryTransport, rt.MemoryTransport])
    assert_type(it.pair(1, 1), tuple[rt.MemoryTransport, rt.MemoryTransport])
    assert_type(await it.send_text("{}"), None)
    assert_type(await it.send_bytes(b".."), None)
    assert_type(await it.receive(), str | bytes)
    assert_type(it.receive_nowait(), str | bytes)
    assert_type(await it.ping(), None)
    assert_type(await it.aclose(1000, ""), None)
    assert_type(it.abort(), None)
    assert_type(it.bytes_received, int)
    await transport(it)


# -- the embedded server, testing ----------------------------------------------------------


async def serving(config: rt.server.ServerConfig, chats: list[Mapping[str, object]]) -> None:
    async with rt.server.open_server(config, name="name", chats=chats) as opened:
        assert_type(opened, rt.server.RealtimeServer)
    assert_type(rt.server.synthesise("nine", voice="en"), bytes)


def traffic(it: rt.server.Traffic) -> None:
    assert_type(it.connection, int)
    assert_type(it.status, int)
    assert_type(it.frame, str | bytes | Mapping[str, object])
    kind: Literal["open", "close", "in", "out", "http"] = it.kind
    assert_type(kind, Literal["open", "close", "in", "out", "http"])


async def server(server: rt.server.RealtimeServer, request: rt.server.Request) -> None:
    assert_type(server.url, str)
    assert_type(server.config, rt.server.ServerConfig)
    assert_type(server.faults, rt.server.Faults)
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


def faults(faults: rt.server.Faults, plan: rt.server.Plan, packet: rt.server.Packet) -> None:
    assert_type(faults.install(plan), None)
    assert_type(faults.clear(), None)
    assert_type(faults.delay(1.0, jitter=0.5), None)
    assert_type(faults.drop(["pong"], probability=0.5), None)
    assert_type(faults.duplicate(["pong"], probability=0.5), None)
    assert_type(faults.reorder(["pong"], probability=0.5), None)
    assert_type(faults.garble(["pong"], probability=0.5), None)
    assert_type(faults.oversized(1024, types=["pong"]), None)
    assert_type(faults.slow_drain(1e4), None)
    assert_type(faults.cut(3, how="abort", times=None), None)
    assert_type(faults.stall(1.0, after=3, times=None), None)
    assert_type(faults.mute(3, times=None), None)
    assert_type(faults.refuse(503, times=2), None)
    assert_type(faults.refusal(), tuple[bool, int | None])
    assert_type(faults.apply(packet), list[rt.server.Action])
    assert_type(faults.holding, bool)
    assert_type(faults.flush(), list[rt.server.Action])


async def testing(make_pair: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
    t = rt.testing
    assert_type(rt.testing.say("a", "b", size=1), rt.server.Say)
    assert_type(rt.testing.think("a", by_tool=True), rt.server.Think)
    assert_type(rt.testing.tool("search", {"q": 1}, result="3 hits"), rt.server.ScriptedTool)
    assert_type(rt.testing.delegate("helper", "Help", t.say("a")), rt.server.Delegate)
    assert_type(rt.testing.use(t.tool("a"), t.delegate()), rt.server.UseTools)
    assert_type(rt.testing.media("a", url="u", name="n"), rt.server.ScriptedMedia)
    assert_type(rt.testing.show(t.media("a")), rt.server.Render)
    assert_type(rt.testing.speak(b"..", frame=0.02), rt.server.Speak)
    assert_type(rt.testing.wait(1.0), rt.server.Wait)
    assert_type(rt.testing.emit({"type": "pong"}, "{}", b".."), rt.server.Emit)
    assert_type(rt.testing.fail("no", by="error"), rt.server.Fail)
    assert_type(
        rt.testing.turn(
            "Hello",
            t.wait(1.0),
            thoughts=["a"],
            preface="b",
            tools=[t.tool("search")],
            delegate=t.delegate(),
            media=t.media("a"),
            events=[{"type": "pong"}],
            text="c",
            audio=b"..",
            fail="d",
            delay=0.1,
            times=2,
        ),
        rt.server.ScriptedTurn,
    )
    assert_type(
        rt.testing.recorded("a.jsonl", speed=2.0),
        tuple[rt.server.ScriptedTurn | rt.server.ScriptedAnswer, ...],
    )
    assert_type(rt.testing.fault_plans(), SearchStrategy[tuple[rt.server.Plan, ...]])
    assert_type(
        rt.testing.recording("a.db", name="call", speed=2.0),
        tuple[rt.server.ScriptedTurn | rt.server.ScriptedAnswer, ...],
    )
    assert_type(await rt.testing.check_transport(make_pair), None)


async def keeping(make_log: MakeLog, handler: Handler, event: ev.ServerEvent) -> None:
    assert_type(await rt.testing.check_log(make_log), None)
    assert_type(rt.testing.check_handler(handler, event), None)


async def peer(it: rt.testing.Peer) -> None:
    assert_type(await it.send_text("{}"), None)
    assert_type(await it.send_bytes(b".."), None)
    assert_type(await it.receive(), str | bytes)
    assert_type(await it.ping(), None)
    assert_type(await it.aclose(1000, ""), None)
    assert_type(it.abort(), None)


# -- without async -------------------------------------------------------------------------


def doors() -> None:
    """``door_aio.py`` and ``door_blocking.py`` assert the rest."""
    with rt.blocking.open_client("memory://name", auth="token") as client:
        assert_type(client, rt.blocking.Client)
    opened = rt.aio.open_client("memory://name", auth="token")
    assert_type(opened, AbstractAsyncContextManager[rt.aio.Client])


# -- errors --------------------------------------------------------------------------------


def errors() -> None:
    assert_type(rt.BusyResourceError("why"), trio.BusyResourceError)
    assert_type(rt.EndOfChannel("why"), trio.EndOfChannel)
    assert_type(rt.WouldBlock("why"), trio.WouldBlock)
    assert_type(rt.RealtimeError("why"), rt.RealtimeError)
    assert_type(rt.ConnectionFailed("why", status=503), rt.ConnectionFailed)
    assert_type(rt.ConnectionLost("why", code=1000, reason=""), rt.ConnectionLost)
    assert_type(rt.AuthenticationError("why"), rt.AuthenticationError)
    assert_type(rt.ProtocolError("why"), rt.ProtocolError)
    assert_type(rt.TurnError("why"), rt.TurnError)
    assert_type(rt.NotSent("why"), rt.NotSent)
    assert_type(rt.JournalError("why"), rt.JournalError)
    assert_type(rt.JournalInUse("why"), rt.JournalInUse)
    assert_type(rt.HistoryGap("why", first=1, last=2), rt.HistoryGap)
    assert_type(rt.InDoubt("why"), rt.InDoubt)
    assert_type(rt.LaggedError("why"), rt.LaggedError)
    assert_type(rt.ClosedError("why"), rt.ClosedError)


def latest(it: rt.Latest) -> None:
    assert_type(it, rt.Latest)


def closed_error(it: rt.ClosedError) -> trio.ClosedResourceError:
    return it


def decode_error(it: rt.DecodeError) -> None:
    assert_type(it.event_type, str | None)
    assert_type(it.path, str)
    assert_type(it.expected, str)
    assert_type(it.got, str)


def modules() -> None:
    assert_type(rt.events.REGISTRY, ev.Registry)
    assert_type(rt.__version__, str)


# -- events --------------------------------------------------------------------------------


def client_event(it: rt.ClientEvent) -> None:
    assert_type(it.type, str)


async def wire_events(client: rt.Client) -> None:
    async with client.subscribe(ev.TextDeltaEvent) as events:
        delta = await events.receive()
        assert_type(delta.session_id, str)
        assert_type(delta.id, Any)


# -- values: what is read of each ----------------------------------------------------------


def active_tool(it: rt.ActiveTool) -> None:
    assert_type(it.session_id, str)
    assert_type(it.id, str)
    assert_type(it.tool_name, str)
    assert_type(it.status, Literal["preparing", "executing"])
    assert_type(it.arguments, Mapping[str, Any])


def all_notifications_cleared(it: rt.AllNotificationsCleared) -> None:
    assert_type(it.name, str)


def all_sessions_cleared(it: rt.AllSessionsCleared) -> None:
    assert_type(it.name, str)


def audio_flushed(it: rt.AudioFlushed) -> None:
    assert_type(it.name, str)
    assert_type(it.bytes, int)
    assert_type(it.heard_ms, float)
    assert_type(it.unheard_ms, float)


def audio_frame(it: rt.AudioFrame) -> None:
    assert_type(it.data, bytes)


def audio_gap(it: rt.AudioGap) -> None:
    assert_type(it.name, str)
    assert_type(it.frames, int)
    assert_type(it.bytes, int)


def audio_output(it: rt.AudioOutput) -> None:
    assert_type(it.name, str)
    assert_type(it.data, bytes)
    assert_type(it.format, rt.AudioFormat | None)


def audio_statistics(it: rt.AudioStatistics) -> None:
    assert_type(it.playback, rt.audio.PlaybackStatistics | None)
    assert_type(it.sending, rt.SendingStatistics)


def auth_error(it: rt.AuthFailed) -> None:
    assert_type(it.name, str)
    assert_type(it.error, str)


def auth_login(it: rt.AuthLogin) -> None:
    assert_type(it.name, str)


def auth_logout(it: rt.AuthLogout) -> None:
    assert_type(it.name, str)


def auth_state_changed(it: rt.AuthStateChanged) -> None:
    assert_type(it.name, str)
    assert_type(it.authenticated, bool)


def auth_tokens_refreshed(it: rt.AuthTokensRefreshed) -> None:
    assert_type(it.name, str)


def avatar_session_ended(it: rt.AvatarSessionEnded) -> None:
    assert_type(it.name, str)


def avatar_session_started(it: rt.AvatarSessionStarted) -> None:
    assert_type(it.name, str)
    assert_type(it.avatar_session_request, Mapping[str, Any] | None)
    assert_type(it.avatar_session, Mapping[str, Any] | None)


def avatar_state_changed(it: rt.AvatarStateChanged) -> None:
    assert_type(it.name, str)
    assert_type(it.active, bool)


def block(it: rt.Block) -> None:
    assert_type(it.max_items, int)


def cancel_notification(it: rt.CancelConfirmed) -> None:
    assert_type(it.name, str)


def catalog(it: rt.Catalog) -> None:
    assert_type(it.user, ev.User | None)
    assert_type(it.agents, tuple[ev.AgentCatalogEntry, ...])
    assert_type(it.voices, tuple[ev.Voice, ...])
    assert_type(it.avatars, tuple[ev.Avatar, ...])
    assert_type(it.tools, tuple[ev.Tool, ...])
    assert_type(it.workspaces, tuple[Mapping[str, Any], ...])
    assert_type(it.voice_input_modes, tuple[str, ...])


def chat_session_changed(it: rt.ChatSessionChanged) -> None:
    assert_type(it.name, str)
    assert_type(it.previous_session_id, str | None)
    assert_type(it.current_session_id, str | None)


def client_config(it: rt.ClientConfig) -> None:
    assert_type(it.control, rt.LaneBounds)
    assert_type(it.text, rt.LaneBounds)
    assert_type(it.audio, rt.LaneBounds)
    assert_type(it.batch_size, int)
    assert_type(it.coalesce, bool)
    assert_type(it.max_sessions, int)
    assert_type(it.max_messages, int)
    assert_type(it.connect_timeout, float)
    assert_type(it.ping_interval, float | None)
    assert_type(it.pong_timeout, float)
    assert_type(it.turn_silence, float | None)
    assert_type(it.input_grace, float | None)
    assert_type(it.max_message_size, int)
    assert_type(it.close_deadline, float)
    assert_type(it.backoff_initial, float)
    assert_type(it.backoff_factor, float)
    assert_type(it.backoff_max, float)
    assert_type(it.backoff_jitter, float)
    assert_type(it.stable_after, float)
    assert_type(it.max_attempts, int | None)
    assert_type(it.first_attempts, int | None)
    assert_type(it.max_commands, int)
    assert_type(it.max_command_bytes, int)
    assert_type(it.max_audio_frames, int)
    assert_type(it.max_audio_bytes, int)
    assert_type(it.cancel_timeout, float)
    assert_type(it.max_file_size, int)
    assert_type(it.max_files, int)
    assert_type(it.rest_timeout, float)
    assert_type(it.token_margin, float)


def coalesce(it: rt.Coalesce) -> None:
    assert_type(it.max_items, int)


def cancel_result(it: rt.CancelResult) -> None:
    assert_type(it.via, Literal["socket", "rest", "withdrawn"])


def connected(it: rt.Connected) -> None:
    assert_type(it.name, str)


def connection(it: rt.Connection) -> None:
    assert_type(it.status, Literal["connecting", "connected", "reconnecting", "closed"])
    assert_type(it.attempt, int)
    assert_type(it.initialized, bool)


def connection_failed(it: rt.ConnectionFailed) -> None:
    assert_type(it.status, int | None)


def connection_given_up(it: rt.ConnectionGivenUp) -> None:
    assert_type(it.name, str)
    assert_type(it.attempts, int)
    assert_type(it.reason, str)


def connection_lost(it: rt.ConnectionLost) -> None:
    assert_type(it.clean, bool)
    assert_type(it.code, int | None)
    assert_type(it.reason, str)


def counters(it: rt.Counters) -> None:
    assert_type(it.events, int)
    assert_type(it.unknown, int)
    assert_type(it.malformed, int)
    assert_type(it.tolerated, int)
    assert_type(it.duplicates, int)
    assert_type(it.late_deltas, int)
    assert_type(it.handler_errors, int)


def disconnected(it: rt.Disconnected) -> None:
    assert_type(it.name, str)
    assert_type(it.code, int | None)
    assert_type(it.reason, str)


def drop_oldest(it: rt.DropOldest) -> None:
    assert_type(it.max_items, int | None)
    assert_type(it.seconds, float | None)


def event(it: rt.Event) -> None:
    assert_type(it.type, str)


def health(it: rt.Health) -> None:
    assert_type(it.status, Literal["open", "away", "closed"])
    assert_type(it.links, int)
    assert_type(it.pong_age, float | None)
    assert_type(it.traffic, int | None)
    assert_type(it.bytes_received, int)
    assert_type(it.outbox, rt.OutboxStatistics)


def image_part(it: rt.ImagePart) -> None:
    assert_type(it.type, str)
    assert_type(it.source_type, Literal["base64", "url"])
    assert_type(it.media_type, str | None)
    assert_type(it.data, str | None)
    assert_type(it.url, str | None)
    assert_type(it.detail, str | None)


def initialized(it: rt.Initialized) -> None:
    assert_type(it.name, str)


def lagged(it: rt.Lagged) -> None:
    assert_type(it.name, str)
    assert_type(it.count, int)


def lane_bounds(it: rt.LaneBounds) -> None:
    assert_type(it.max_items, int)
    assert_type(it.max_bytes, int)


def lane_statistics(it: rt.LaneStatistics) -> None:
    assert_type(it.lane, rt.Lane | None)
    assert_type(it.events, int)
    assert_type(it.rate, float)
    assert_type(it.depth, int)
    assert_type(it.bytes, int)
    assert_type(it.high_water, int)
    assert_type(it.max_items, int)
    assert_type(it.max_bytes, int)
    assert_type(it.waiting, rt.Timing)
    assert_type(it.handling, rt.Timing)
    assert_type(it.coalesced, int)
    assert_type(it.dropped, int)
    assert_type(it.lagged, int)
    assert_type(it.unknown, int)
    assert_type(it.malformed, int)
    assert_type(it.tolerated, int)
    assert_type(it.duplicates, int)
    assert_type(it.handler_errors, int)
    assert_type(it.subscriptions, int)


def limits(it: rt.Limits) -> None:
    assert_type(it.max_sessions, int)
    assert_type(it.max_messages, int)


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


def media_added(it: rt.MediaAdded) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.media, rt.Media)


def jumped(it: rt.Jumped) -> None:
    assert_type(it.name, str)
    assert_type(it.first, int)
    assert_type(it.last, int)
    assert_type(it.why, str)


# -- a fleet -------------------------------------------------------------------------------


async def dialling(claim: rt.fleet.Claim) -> rt.fleet.Dial:
    assert_type(claim.session, str)
    assert_type(claim.labels, dict[str, str])
    assert_type(claim.agent_key, str | None)
    assert_type(claim.chat_session_id, str | None)
    assert_type(claim.token, int)
    return rt.fleet.Dial("https://server", auth="token", agent_key="lawyer")


def dial(it: rt.fleet.Dial) -> None:
    assert_type(it.url, str)
    assert_type(it.auth, str | rt.PasswordLogin | rt.Auth)
    assert_type(it.agent_key, str | None)
    assert_type(it.chat_session_id, str | None)
    assert_type(it.config, rt.ClientConfig | None)
    assert_type(it.transport, rt.Connector | None)
    assert_type(it.ssl_context, ssl.SSLContext | None)
    assert_type(it.proxy, str | None)
    assert_type(it.headers, Mapping[str, str] | None)
    assert_type(it.open_stream, OpenStream | None)


def logs() -> None:
    assert_type(rt.fleet.MemoryLog(), rt.fleet.MemoryLog)
    assert_type(rt.fleet.SqliteLog("fleet.db", snapshots=2), rt.fleet.SqliteLog)
    assert_type(rt.fleet.RedisLog("redis://localhost", shards=64), rt.fleet.RedisLog)
    assert_type(rt.fleet.shard_of("call-17", 64), int)


async def opening_a_fleet(log: rt.fleet.FleetLog, config: rt.ClientConfig) -> None:
    assert_type(await entered(rt.fleet.open_fleet(log, config=config)), rt.fleet.Fleet)
    node = rt.fleet.open_node(
        log, dialling, capacity=5, name="a", heartbeat=1.0, dials=16, drain=30.0
    )
    assert_type(await entered(node), rt.fleet.Node)


async def fleet(it: rt.fleet.Fleet) -> None:
    assert_type(
        await it.create("call", labels={"user": "u1"}, agent_key="a", chat_session_id="c"), bool
    )
    assert_type(await it.remove("call"), None)
    assert_type(await it.sessions(), Sequence[rt.fleet.Seat])
    assert_type(await it.nodes(), frozenset[str])
    session = it.attach("call", config=rt.ClientConfig())
    assert_type(await entered(session), rt.fleet.RemoteSession)
    assert_type(await entered(it.attach("call")), rt.fleet.RemoteSession)


async def remote_session(it: rt.fleet.RemoteSession) -> None:
    assert_type(it.name, str)
    assert_type(it.state, rt.SessionState)
    assert_type(it.position, int)
    assert_type(it.owner, str | None)
    assert_type(it.exact, bool)
    assert_type(it.error, str | None)
    assert_type(it.control, rt.LaneView)
    assert_type(it.text, rt.LaneView)
    assert_type(it.audio, rt.LaneView)
    assert_type(it.statistics(), rt.PipelineStatistics)
    assert_type(it.subscribe(), rt.Subscription[rt.Notification])
    assert_type(
        it.subscribe(rt.MessageComplete, ev.ErrorEvent, overflow=rt.Latest()),
        rt.Subscription[rt.MessageComplete | ev.ErrorEvent],
    )
    assert_type(it.watch(lambda state: state.revision), rt.Watch[int])
    assert_type(await it.ready(), None)
    assert_type(await it.reached(17), None)
    assert_type(await it.cancel(key="k"), None)
    assert_type(await it.send(ev.PingEvent(), key="k", force=True), rt.fleet.RemoteReceipt)
    assert_type(await it.send_text("Hi", file_ids=["f"], key="k"), rt.fleet.RemoteReceipt)
    assert_type(await entered(it.ask("Hi", file_ids=["f"], key="k")), rt.fleet.RemoteTurn)


async def remote_turn(it: rt.fleet.RemoteTurn) -> None:
    assert_type(it.text, rt.TurnChannel[str])
    assert_type(it.thoughts, rt.TurnChannel[str])
    assert_type(it.tools, rt.TurnChannel[rt.ToolNotification])
    assert_type(it.media, rt.TurnChannel[rt.Media])
    assert_type(it.subsessions, rt.TurnChannel[Subsession])
    assert_type(it.receipt, rt.fleet.RemoteReceipt)
    assert_type(it.outcome, rt.Outcome)
    assert_type(await it.wait(), rt.Outcome)


async def remote_receipt(it: rt.fleet.RemoteReceipt) -> None:
    assert_type(it.key, str)
    assert_type(it.number, int)
    assert_type(it.position, int)
    assert_type(it.status, Literal["queued", "accepted", "sending", "sent", "not-sent", "in-doubt"])
    assert_type(await it.accepted(), None)
    assert_type(await it.sent(), None)
    assert_type(await it.durable(), None)


async def node(it: rt.fleet.Node) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, tuple[str, ...])
    assert_type(it.health(), rt.fleet.NodeHealth)
    assert_type(await entered(it.changes()), rt.fleet.NodeChanges)
    assert_type(await it.drain(), None)


def node_health(it: rt.fleet.NodeHealth) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, int)
    assert_type(it.open, int)
    assert_type(it.capacity, int)
    assert_type(it.beat_age, float | None)
    assert_type(it.error, str | None)
    assert_type(it.draining, bool)
    assert_type(it.claims, int)
    assert_type(it.takeovers, int)
    assert_type(it.losses, int)


async def node_changes(it: rt.fleet.NodeChanges) -> None:
    assert_type(await it.receive(), rt.fleet.NodeChange)
    assert_type(it.receive_nowait(), rt.fleet.NodeChange)
    assert_type(it.close(), None)
    assert_type(await it.aclose(), None)
    async for change in it:
        assert_type(change, rt.fleet.Claimed | rt.fleet.Released | rt.fleet.Lost)


def node_change(
    claimed: rt.fleet.Claimed, released: rt.fleet.Released, lost: rt.fleet.Lost
) -> None:
    assert_type(claimed.session, str)
    assert_type(claimed.took_over, str | None)
    assert_type(released.session, str)
    assert_type(released.why, str)
    assert_type(lost.session, str)
    assert_type(lost.why, str)


async def log_store(it: rt.fleet.LogStore, claim: rt.fleet.LogClaim) -> None:
    groups: list[rt.fleet.BlockGroup] = []
    assert_type(await it.info("call"), rt.fleet.LogInfo | None)
    assert_type(await it.names(), tuple[str, ...])
    assert_type(await it.claim("call"), rt.fleet.LogClaim)
    assert_type(await it.append(claim, 1, groups), int)
    snapshot = rt.fleet.StoredSnapshot(position=1, data=b"")
    assert_type(await it.put_snapshot(claim, snapshot), None)
    gap = rt.LogGap(first=1, last=2, why="jumped")
    assert_type(await it.put_gap(claim, gap, None), None)
    assert_type(await it.beat(claim), None)
    assert_type(await it.trim(claim), None)
    assert_type(await it.close(claim), None)
    assert_type(await it.read("call", 0, limit=1), Sequence[rt.fleet.LogBlock])
    assert_type(await it.snapshots("call"), Sequence[rt.fleet.StoredSnapshot])


def log_values(
    claim: rt.fleet.LogClaim, info: rt.fleet.LogInfo, snapshot: rt.fleet.StoredSnapshot
) -> None:
    assert_type(claim.name, str)
    assert_type(claim.token, int)
    assert_type(claim.nonce, str)
    assert_type(info.name, str)
    assert_type(info.position, int)
    assert_type(info.first, int)
    assert_type(info.clean, bool)
    assert_type(info.gaps, tuple[rt.LogGap, ...])
    assert_type(info.epoch, str)
    assert_type(snapshot.position, int)
    assert_type(snapshot.data, bytes)


def log_block(it: rt.fleet.LogBlock, groups: list[rt.fleet.BlockGroup]) -> None:
    assert_type(next(iter(rt.fleet.encode_blocks(1, groups, zstd=False))), rt.fleet.LogBlock)
    assert_type(rt.fleet.decode_block(it.data), rt.fleet.LogBlock)
    assert_type(it.first, int)
    assert_type(it.count, int)
    assert_type(it.last, int)
    assert_type(it.began, float)
    assert_type(it.ended, float)
    assert_type(it.data, bytes)
    assert_type(it.groups(), list[rt.fleet.BlockGroup])
    assert_type([(position, at) for position, at, _ in it.items()], list[tuple[int, float]])


def failed_log(it: rt.fleet.DamagedBlock | rt.fleet.LogRewound) -> None:
    raise it


def seat(it: rt.fleet.Seat, spec: rt.fleet.Spec) -> None:
    assert_type(it.name, str)
    assert_type(it.node, str | None)
    assert_type(it.token, int)
    assert_type(it.spec, rt.fleet.Spec)
    assert_type(spec.labels, Mapping[str, str])
    assert_type(spec.agent_key, str | None)
    assert_type(spec.chat_session_id, str | None)


def no_session(it: rt.fleet.NoSuchSession | rt.fleet.QueueFull) -> None:
    raise it


def memory_pressure(it: rt.MemoryPressure) -> None:
    assert_type(it.name, str)
    assert_type(it.lane, str)
    assert_type(it.level, int)


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


def message_added(it: rt.MessageAdded) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.message, rt.Message)


def message_complete(it: rt.MessageComplete) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.message, rt.Message)


def message_metadata(it: rt.MessageMetadata) -> None:
    assert_type(it.input_tokens, int | None)
    assert_type(it.output_tokens, int | None)
    assert_type(it.stop_reason, str | None)


def message_streaming(it: rt.MessageStreaming) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.message_id, str)
    assert_type(it.role, str)
    assert_type(it.delta, str)


def message_updated(it: rt.MessageUpdated) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.message, rt.Message)


def notification(it: rt.Notification) -> None:
    assert_type(it.name, str)


def open_subsession(it: rt.OpenSubsession) -> None:
    assert_type(it.session_id, str)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)
    assert_type(it.sub_session_type, str)
    assert_type(it.sub_agent_type, str)
    assert_type(it.prime_agent_key, str)
    assert_type(it.sub_agent_key, str)
    assert_type(it.depth, int)
    assert_type(it.stack, str)


def outbox_statistics(it: rt.OutboxStatistics) -> None:
    assert_type(it.urgent, int)
    assert_type(it.commands, int)
    assert_type(it.command_bytes, int)
    assert_type(it.audio, int)
    assert_type(it.audio_bytes, int)
    assert_type(it.sent, int)
    assert_type(it.sent_bytes, int)
    assert_type(it.audio_dropped, int)


def password_login(it: rt.PasswordLogin) -> None:
    assert_type(it.username, str)
    assert_type(it.password, str)


def pipeline_statistics(it: rt.PipelineStatistics) -> None:
    assert_type(it.control, rt.LaneStatistics)
    assert_type(it.audio, rt.LaneStatistics)
    assert_type(it.text, rt.LaneStatistics)
    assert_type(it.total, rt.LaneStatistics)
    assert_type(it.lanes, tuple[rt.LaneStatistics, rt.LaneStatistics, rt.LaneStatistics])
    assert_type(it.subscribers, tuple[rt.SubscriptionStatistics, ...])


def placeholder_part(it: rt.PlaceholderPart) -> None:
    assert_type(it.type, str)
    assert_type(it.block_type, str)
    assert_type(it.block, Any)


def processing_error(it: rt.ProcessingFailed) -> None:
    assert_type(it.name, str)
    assert_type(it.event_type, str | None)
    assert_type(it.error, str)


def reconnected(it: rt.Reconnected) -> None:
    assert_type(it.name, str)
    assert_type(it.attempts, int)
    assert_type(it.missed, bool)
    assert_type(it.session_id, str | None)
    assert_type(it.commands, int)
    assert_type(it.audio_dropped, int)


def reconnecting(it: rt.Reconnecting) -> None:
    assert_type(it.name, str)
    assert_type(it.attempt, int)
    assert_type(it.delay, float)


def recorder_statistics(it: rt.RecorderStatistics) -> None:
    assert_type(it.written, int)
    assert_type(it.dropped, int)
    assert_type(it.waiting, int)
    assert_type(it.waiting_bytes, int)
    assert_type(it.high_water, int)
    assert_type(it.error, str | None)


def request_user_sessions(it: rt.RequestUserSessions) -> None:
    assert_type(it.name, str)
    assert_type(it.offset, int)
    assert_type(it.limit, int)


def response_cancelled(it: rt.ResponseCancelled) -> None:
    assert_type(it.name, str)
    assert_type(it.session_ids, tuple[str, ...])


def sending_statistics(it: rt.SendingStatistics) -> None:
    assert_type(it.given, int)
    assert_type(it.sent, int)
    assert_type(it.dropped, int)
    assert_type(it.waiting, int)
    assert_type(it.seconds, float)


def server_event(it: rt.ServerEvent) -> None:
    assert_type(it.id, Any)


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


def session_cleared(it: rt.SessionCleared) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)


def session_event(it: rt.SessionEvent) -> None:
    assert_type(it.session_id, str)
    assert_type(it.role, str)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)


def session_messages_loaded(it: rt.SessionMessagesLoaded) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.messages, tuple[rt.Message, ...])


def session_notifications_cleared(it: rt.SessionNotificationsCleared) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)


def session_restored(it: rt.SessionRestored) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str | None)
    assert_type(it.reloaded, bool)


def session_state(it: rt.SessionState) -> None:
    assert_type(it.control, rt.ControlSlice)
    assert_type(it.text, rt.TextSlice)
    assert_type(it.audio, rt.AudioSlice)
    assert_type(it.revision, int)
    assert_type(it.counters, rt.Counters)
    assert_type(it.active_tools, tuple[rt.ActiveTool, ...])
    assert_type(it.catalog, rt.Catalog)
    assert_type(it.current_session, rt.Session | None)
    assert_type(it.current_session_id, str | None)
    assert_type(it.sessions, Mapping[str, rt.Session])
    assert_type(it.subsessions, tuple[rt.OpenSubsession, ...])
    assert_type(it.turn, rt.TurnState)


def sessions_index_updated(it: rt.SessionsIndexUpdated) -> None:
    assert_type(it.name, str)
    assert_type(it.total, int)
    assert_type(it.session_ids, Sequence[str])


def sessions_updated(it: rt.SessionsUpdated) -> None:
    assert_type(it.name, str)
    assert_type(it.session_ids, Sequence[str])


def subscription_statistics(it: rt.SubscriptionStatistics) -> None:
    assert_type(it.lanes, tuple[rt.Lane, ...])
    assert_type(it.classes, tuple[str, ...])
    assert_type(it.overflow, str)
    assert_type(it.depth, int)
    assert_type(it.bytes, int)
    assert_type(it.high_water, int)
    assert_type(it.merged, int)
    assert_type(it.dropped, int)
    assert_type(it.blocking, bool)


def subsession_ended(it: rt.SubsessionEnded) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)
    assert_type(it.depth, int)


def subsession_started(it: rt.SubsessionStarted) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.parent_session_id, str | None)
    assert_type(it.user_session_id, str | None)
    assert_type(it.sub_session_type, str)
    assert_type(it.sub_agent_type, str)
    assert_type(it.prime_agent_key, str | None)
    assert_type(it.sub_agent_key, str | None)
    assert_type(it.depth, int)


def system_notification(it: rt.SystemNotification) -> None:
    assert_type(it.name, str)
    assert_type(it.type, Literal["system", "error"])
    assert_type(it.severity, Literal["error", "warning", "info"] | str)
    assert_type(it.content, str)
    assert_type(it.source, str | None)
    assert_type(it.session_id, str | None)


def text_part(it: rt.TextPart) -> None:
    assert_type(it.type, str)
    assert_type(it.text, str)
    assert_type(it.thinking, bool)
    assert_type(it.title, str | None)
    assert_type(it.url, str | None)
    assert_type(it.citations, tuple[Any, ...] | None)
    assert_type(it.block, Mapping[str, Any] | None)
    assert_type(it.is_plain, bool)


def timing(it: rt.Timing) -> None:
    assert_type(it.p50, float)
    assert_type(it.p99, float)
    assert_type(it.max, float)


def tool_call_complete(it: rt.ToolCallComplete) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.tool_calls, tuple[ev.ToolCall, ...])
    assert_type(it.tool_results, tuple[ev.ToolResult, ...])


def tool_notification(it: rt.ToolNotification) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.id, str)
    assert_type(it.tool_name, str)
    assert_type(it.status, Literal["preparing", "executing", "complete"])
    assert_type(it.arguments, Mapping[str, Any])


def tool_notification_removed(it: rt.ToolNotificationRemoved) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.id, str)


def tool_result_part(it: rt.ToolResultPart) -> None:
    assert_type(it.type, str)
    assert_type(it.tool_use_id, str)
    assert_type(it.content, str)
    assert_type(it.is_error, bool)


def tool_use_part(it: rt.ToolUsePart) -> None:
    assert_type(it.type, str)
    assert_type(it.id, str)
    assert_type(it.name, str)
    assert_type(it.input, Mapping[str, Any])


def turn_cancelled(it: rt.TurnCancelled) -> None:
    assert_type(it.message, rt.Message | None)
    assert_type(it.errors, tuple[str, ...])
    assert_type(it.heard_ms, float | None)
    assert_type(it.unheard_ms, float | None)


def turn_completed(it: rt.TurnCompleted) -> None:
    assert_type(it.message, rt.Message | None)
    assert_type(it.errors, tuple[str, ...])
    assert_type(it.missed, bool)
    assert_type(it.began, bool)


def turn_failed(it: rt.TurnFailed) -> None:
    assert_type(it.reason, str)
    assert_type(it.message, rt.Message | None)
    assert_type(it.errors, tuple[str, ...])


def turn_lost(it: rt.TurnLost) -> None:
    assert_type(it.reason, str)
    assert_type(it.message, rt.Message | None)
    assert_type(it.errors, tuple[str, ...])


def turn_state(it: rt.TurnState) -> None:
    assert_type(it.can_send_input, bool)


def turn_state_changed(it: rt.TurnStateChanged) -> None:
    assert_type(it.name, str)
    assert_type(it.can_send_input, bool)


def unknown_event(it: rt.UnknownEvent) -> None:
    assert_type(it.tag, str)
    assert_type(it.payload, Mapping[str, Any])


def uploaded_file(it: rt.UploadedFile) -> None:
    assert_type(it.id, str)
    assert_type(it.filename, str)
    assert_type(it.mime_type, str)
    assert_type(it.size, int)


def user_message(it: rt.UserMessage) -> None:
    assert_type(it.name, str)
    assert_type(it.session_id, str)
    assert_type(it.vendor, str)
    assert_type(it.message, str | Mapping[str, Any] | None)


def voice_changed(it: rt.VoiceChanged) -> None:
    assert_type(it.name, str)
    assert_type(it.previous, ev.Voice | None)
    assert_type(it.current, ev.Voice)
    assert_type(it.source, Literal["client", "server"])


def voices_updated(it: rt.VoicesUpdated) -> None:
    assert_type(it.name, str)
    assert_type(it.voices, tuple[ev.Voice, ...])


# -- the network ---------------------------------------------------------------------------


async def reconnect(it: rt.Client) -> None:
    assert_type(it.reconnect(), rt.Reconnection)
    assert_type(await it.reconnect(), None)


def close_codes(it: rt.ClientConfig) -> None:
    assert_type(it.close_codes, Mapping[int, CloseAction])
    assert_type(it.compression, bool)


def default_network(it: rt.TrioWebsocketConnector) -> None:
    assert_type(it.compression, bool)
    assert_type(it.headers, Mapping[str, str] | None)
    assert_type(it.network, Network)
    assert_type(it.open_stream, OpenStream | None)
    assert_type(it.proxy, str | None)


def fast_network(it: rt.WebsocketsConnector) -> None:
    assert_type(it.compression, bool)
    assert_type(it.headers, Mapping[str, str] | None)
    assert_type(it.network, Network)
    assert_type(it.open_stream, OpenStream | None)
    assert_type(it.proxy, str | None)


def agent_changed(it: rt.AgentChanged) -> None:
    assert_type(it.expected, str)
    assert_type(it.got, str)


def a_final_failure(it: rt.ConnectionFailed) -> None:
    assert_type(it.final, bool)


def answers() -> None:
    assert_type(rt.testing.answer("ping"), rt.server.ScriptedAnswer)
    assert_type(rt.testing.command("!help"), rt.server.ScriptedAnswer)
    assert_type(rt.testing.notice("x", severity="info"), rt.server.Notice)


async def reconnection(it: rt.Reconnection) -> None:
    assert_type(await it.wait(), None)
