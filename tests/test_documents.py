"""The examples and tests of the documents that this project was created from, in Python.

Their data are unchanged: most events leave out ``role``, one interaction leaves out its session,
and every one of them works as it stands. An event that a client built on callbacks emits is a
notification here, and ``message-streaming`` says what was added; the whole of the message is in
the state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
import pytest

import realtime_trio as rt
from realtime_trio.events import REGISTRY

Json = dict[str, Any]
Note = TypeVar("Note", bound=rt.Notification)

THOUGHT = "assistant (thought)"


class Documents:
    """A processor, and everything that it has emitted."""

    def __init__(self, feed: Callable[[rt.EventStreamProcessor, Json], Iterable[Any]]) -> None:
        self.processor = rt.EventStreamProcessor()
        self.emitted: list[rt.Notification] = []
        self._feed = feed

    def process(self, *events: Json) -> list[rt.Notification]:
        """Process events, and give what these emitted."""
        made = [note for event in events for note in self._feed(self.processor, event)]
        self.emitted += made
        return made

    def of(self, kind: type[Note]) -> list[Note]:
        """What was emitted of one kind."""
        return [note for note in self.emitted if isinstance(note, kind)]

    @property
    def names(self) -> list[str]:
        return [note.name for note in self.emitted]

    def session(self, session_id: str) -> rt.Session:
        return self.processor.state.sessions[session_id]

    def open_message(self, session_id: str) -> rt.Message:
        message = self.session(session_id).open_message
        assert message is not None
        return message.snapshot()


def _as_mapping(processor: rt.EventStreamProcessor, event: Json) -> Iterable[rt.Notification]:
    return processor.process_event(event)


def _as_frame(processor: rt.EventStreamProcessor, event: Json) -> Iterable[rt.Notification]:
    return processor.process_frame(json.dumps(event))


def _as_bytes(processor: rt.EventStreamProcessor, event: Json) -> Iterable[rt.Notification]:
    return processor.process_frame(json.dumps(event, separators=(",", ":")).encode())


@pytest.fixture(params=[_as_mapping, _as_frame, _as_bytes], ids=["mapping", "text", "bytes"])
def documents(request: pytest.FixtureRequest) -> Iterator[Documents]:
    """The documents' events as mappings and as frames of the websocket; none is refused."""
    made = Documents(request.param)
    yield made
    assert made.of(rt.ProcessingFailed) == []
    counters = made.processor.state.counters
    assert (counters.malformed, counters.handler_errors) == (0, 0)


# -- the unit tests ------------------------------------------------------------------------


def test_text_deltas_accumulate(documents: Documents) -> None:
    documents.process({"type": "text_delta", "content": "Hello ", "session_id": "test"})
    documents.process({"type": "text_delta", "content": "world", "session_id": "test"})
    assert [note.delta for note in documents.of(rt.MessageStreaming)] == ["Hello ", "world"]
    message = documents.open_message("test")
    assert (message.content, message.role, message.status) == (
        "Hello world",
        "assistant",
        "streaming",
    )


def test_a_completion_finalizes_the_message(documents: Documents) -> None:
    documents.process(
        {"type": "text_delta", "content": "Complete message", "session_id": "test"},
        {
            "type": "completion",
            "running": False,
            "session_id": "test",
            "output_tokens": 5,
            "stop_reason": "stop",
        },
    )
    (note,) = documents.of(rt.MessageComplete)
    assert note.session_id == "test"
    assert (note.message.content, note.message.status) == ("Complete message", "complete")
    assert note.message.metadata == rt.MessageMetadata(output_tokens=5, stop_reason="stop")
    assert documents.session("test").messages == (note.message,)


def test_sub_sessions_are_detected(documents: Documents) -> None:
    documents.processor.set_user_session_id("user_123")
    documents.process(
        {
            "type": "anthropic_user_message",
            "session_id": "sub_456",
            "user_session_id": "user_123",
            "message": {"role": "user", "content": "Test"},
        }
    )
    (note,) = documents.of(rt.MessageAdded)
    assert (note.message.content, note.message.role) == ("Test", "user")
    assert note.message.is_sub_session
    assert note.message.user_session_id == "user_123"


# -- the integration test ------------------------------------------------------------------


def test_a_complete_interaction(documents: Documents) -> None:
    """The interaction has no session of its own, and belongs to none that is kept."""
    documents.process(
        {"type": "interaction", "started": True, "id": "1"},
        {"type": "text_delta", "content": "Hello", "session_id": "s1"},
        {"type": "text_delta", "content": " there", "session_id": "s1"},
        {"type": "completion", "running": False, "session_id": "s1"},
        {"type": "interaction", "started": False, "id": "1"},
    )
    (note,) = documents.of(rt.MessageComplete)
    assert (note.message.content, note.message.status) == ("Hello there", "complete")
    state = documents.processor.state
    assert list(state.sessions) == ["s1"]
    assert (state.counters.events, state.counters.duplicates, state.counters.tolerated) == (5, 0, 0)


# -- the examples of the methods -----------------------------------------------------------


def test_process_event(documents: Documents) -> None:
    documents.process({"type": "text_delta", "content": "Hello ", "session_id": "session_123"})
    assert documents.open_message("session_123").content == "Hello "


def test_set_user_session_id(documents: Documents) -> None:
    """From now on events of other sessions come from agents that work for the user's."""
    documents.processor.set_user_session_id("user_session_456")
    documents.process(
        {"type": "message", "content": "mine", "session_id": "user_session_456"},
        {"type": "message", "content": "theirs", "session_id": "another"},
    )
    told = [
        (note.session_id, note.message.is_sub_session) for note in documents.of(rt.MessageComplete)
    ]
    assert told == [("user_session_456", False), ("another", True)]


def test_reset_prepares_for_a_new_interaction(documents: Documents) -> None:
    call = {"id": "t1", "name": "search", "input": {"q": "x"}}
    documents.process(
        {"type": "message", "content": "kept", "session_id": "test"},
        {"type": "text_delta", "content": "dropped", "session_id": "test"},
        {"type": "tool_call", "active": True, "tool_calls": [call], "session_id": "test"},
    )
    documents.processor.reset()
    state = documents.processor.state
    assert state.sessions["test"].open_message is None
    assert state.active_tools == ()
    documents.process({"type": "text_delta", "content": "new", "session_id": "test"})
    assert documents.open_message("test").content == "new"
    assert [message.content for message in documents.session("test").messages] == ["kept"]


def test_a_processor_that_was_destroyed_takes_no_more(documents: Documents) -> None:
    documents.process({"type": "text_delta", "content": "Hello", "session_id": "test"})
    documents.processor.close()
    documents.processor.close()
    with pytest.raises(rt.ClosedError):
        documents.process({"type": "text_delta", "content": " world", "session_id": "test"})
    assert documents.open_message("test").content == "Hello"


# -- the handlers --------------------------------------------------------------------------


def test_a_thought_ends_the_message_before_it_and_is_one_of_its_own(documents: Documents) -> None:
    documents.process(
        {"type": "text_delta", "content": "Let me think.", "session_id": "test"},
        {"type": "thought_delta", "content": "Hm", "session_id": "test"},
        {"type": "thought_delta", "content": "m.", "session_id": "test"},
        {"type": "text_delta", "content": "I know.", "session_id": "test"},
        {"type": "completion", "running": False, "session_id": "test"},
    )
    told = [(note.message.role, note.message.content) for note in documents.of(rt.MessageComplete)]
    assert told == [
        ("assistant", "Let me think."),
        (THOUGHT, "Hmm."),
        ("assistant", "I know."),
    ]
    assert [note.role for note in documents.of(rt.MessageStreaming)][1:3] == [THOUGHT] * 2


def test_thoughts_take_the_place_of_the_think_tool(documents: Documents) -> None:
    think = {"id": "t1", "name": "think"}
    documents.process(
        {"type": "tool_select_delta", "tool_calls": [think], "session_id": "test"},
        {"type": "thought_delta", "content": "Hm.", "session_id": "test"},
        {"type": "tool_call", "active": True, "tool_calls": [think], "session_id": "test"},
        {
            "type": "tool_call",
            "active": False,
            "tool_calls": [think],
            "tool_results": [{"tool_use_id": "t1", "content": "ok"}],
            "session_id": "test",
        },
        {"type": "completion", "running": False, "session_id": "test"},
    )
    (prepared,) = documents.of(rt.ToolNotification)
    assert (prepared.id, prepared.tool_name, prepared.status) == ("t1", "think", "preparing")
    (removed,) = documents.of(rt.ToolNotificationRemoved)
    assert removed.id == "t1"
    assert documents.of(rt.ToolCallComplete) == []
    (message,) = documents.session("test").messages
    assert (message.role, message.tool_calls, message.tool_results) == (THOUGHT, (), ())


def test_the_think_tool_is_removed_by_its_call_where_no_thoughts_come(documents: Documents) -> None:
    think = {"id": "t1", "name": "think"}
    documents.process(
        {"type": "tool_select_delta", "tool_calls": [think], "session_id": "test"},
        {"type": "tool_call", "active": True, "tool_calls": [think], "session_id": "test"},
    )
    assert [note.name for note in documents.emitted] == [
        "tool-notification",
        "tool-notification-removed",
    ]


def test_a_tool_is_selected_executed_and_completed(documents: Documents) -> None:
    call = {"id": "t1", "name": "search", "input": {"query": "trio"}}
    result = {"tool_use_id": "t1", "content": "3 hits"}
    documents.process(
        {"type": "text_delta", "content": "I look it up.", "session_id": "test"},
        {"type": "tool_select_delta", "tool_calls": [call], "session_id": "test"},
        {"type": "tool_call", "active": True, "tool_calls": [call], "session_id": "test"},
        {
            "type": "tool_call",
            "active": False,
            "tool_calls": [call],
            "tool_results": [result],
            "session_id": "test",
        },
        {"type": "completion", "running": False, "session_id": "test"},
    )
    notes = documents.of(rt.ToolNotification)
    assert [note.status for note in notes] == ["preparing", "executing", "complete"]
    assert {(note.id, note.tool_name) for note in notes} == {("t1", "search")}
    assert notes[1].arguments == {"query": "trio"}
    (done,) = documents.of(rt.ToolCallComplete)
    assert done.tool_calls[0].input == {"query": "trio"}
    assert done.tool_results[0].content == "3 hits"
    (message,) = documents.session("test").messages
    assert [each.id for each in message.tool_calls] == ["t1"]
    assert [each.content for each in message.tool_results] == ["3 hits"]
    assert documents.processor.state.active_tools == ()


def user_message(content: object) -> Json:
    message = {"role": "user", "content": content}
    return {"type": "anthropic_user_message", "session_id": "test", "message": message}


@pytest.mark.parametrize(
    ("content", "normal"),
    [
        ("a string", "a string"),
        ([{"type": "text", "text": "all "}, {"type": "text", "text": "text"}], "all text"),
        ([], ""),
        (
            [
                {"type": "text", "text": "mixed"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                },
            ],
            (
                rt.TextPart("mixed"),
                rt.ImagePart(source_type="base64", media_type="image/png", data="aGk="),
            ),
        ),
    ],
)
def test_content_is_normalised(documents: Documents, content: object, normal: object) -> None:
    documents.process(user_message(content))
    (note,) = documents.of(rt.MessageAdded)
    assert note.message.content == normal


def test_a_user_message_is_added_and_announced(documents: Documents) -> None:
    documents.process(user_message("Hello"))
    assert documents.names[-2:] == ["message-added", "user-message"]
    (message,) = documents.session("test").messages
    assert (message.role, message.content, message.is_sub_session) == ("user", "Hello", False)


@pytest.mark.parametrize("type_", ["user_message", "anthropic_user_message", "openai_user_message"])
def test_a_user_message_without_content_has_a_text_that_says_so(
    documents: Documents, type_: str
) -> None:
    documents.process({"type": type_, "session_id": "test"})
    (note,) = documents.of(rt.MessageAdded)
    assert (note.message.role, note.message.content) == ("user", "[User message]")


def test_media_are_rendered(documents: Documents) -> None:
    documents.process(
        {
            "type": "render_media",
            "content_type": "text/html",
            "content": "<b>hi</b>",
            "session_id": "test",
        },
        {"type": "render_media", "content-type": "image/png", "url": "a.png", "session_id": "test"},
        {"type": "render_media", "content": "plain", "session_id": "test"},
    )
    media = [note.media for note in documents.of(rt.MediaAdded)]
    assert [(each.content_type, each.content, each.url) for each in media] == [
        ("text/html", "<b>hi</b>", None),
        ("image/png", None, "a.png"),
        ("text/plain", "plain", None),
    ]
    assert {(each.role, each.foreign_content) for each in media} == {("assistant", False)}


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_the_server_speaks_to_the_user(documents: Documents, severity: str) -> None:
    documents.process(
        {"type": "system_message", "content": "Attention", "severity": severity, "session_id": "s"},
        {"type": "error", "message": "Too bad", "source": "runtime"},
    )
    told = [
        (note.type, note.severity, note.content, note.source)
        for note in documents.of(rt.SystemNotification)
    ]
    assert told == [
        ("system", severity, "Attention", None),
        ("error", "error", "Too bad", "runtime"),
    ]


def test_a_cancel_keeps_what_was_said(documents: Documents) -> None:
    call = {"id": "t1", "name": "search", "input": {}}
    documents.process(
        {"type": "text_delta", "content": "As I was say", "session_id": "test"},
        {"type": "tool_call", "active": True, "tool_calls": [call], "session_id": "test"},
        {"type": "cancelled"},
    )
    (note,) = documents.of(rt.MessageComplete)
    assert (note.session_id, note.message.content) == ("test", "As I was say")
    assert (note.message.status, note.message.metadata.stop_reason) == ("cancelled", "cancelled")
    assert documents.names[-3:] == [
        "message-complete",
        "tool-notification-removed",
        "response-cancelled",
    ]
    assert documents.session("test").messages == (note.message,)
    assert documents.processor.state.active_tools == ()


def test_a_session_is_resumed(documents: Documents) -> None:
    documents.process(
        {
            "type": "chat_session_changed",
            "chat_session": {
                "session_id": "resumed",
                "session_name": "Yesterday",
                "messages": [
                    {"role": "user", "content": "Hello"},
                    {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
                ],
            },
        }
    )
    (note,) = documents.of(rt.SessionMessagesLoaded)
    assert note.session_id == "resumed"
    assert [(each.role, each.content) for each in note.messages] == [
        ("user", "Hello"),
        ("assistant", "Hi"),
    ]
    (updated,) = documents.of(rt.SessionsUpdated)
    assert updated.session_ids == ("resumed",)
    assert documents.processor.state.current_session_id == "resumed"


def test_a_delegation_is_tracked(documents: Documents) -> None:
    documents.processor.set_user_session_id("primary_session_123")
    documents.process(
        {
            "type": "subsession_started",
            "session_id": "primary_session_123",
            "sub_agent_type": "team",
            "sub_agent_key": "researcher",
        },
        {"type": "text_delta", "content": "found", "session_id": "sub"},
        {"type": "completion", "running": False, "session_id": "sub"},
        {"type": "subsession_ended", "session_id": "primary_session_123"},
    )
    (started,) = documents.of(rt.SubsessionStarted)
    assert (started.sub_agent_key, started.sub_agent_type, started.sub_session_type) == (
        "researcher",
        "team",
        "chat",
    )
    (note,) = documents.of(rt.MessageComplete)
    assert note.message.is_sub_session
    (ended,) = documents.of(rt.SubsessionEnded)
    assert (started.depth, ended.depth) == (1, 1)
    assert documents.processor.state.subsessions == ()


@pytest.mark.parametrize(
    ("event_ids", "stored", "is_sub_session"),
    [
        ({"session_id": "a", "user_session_id": "b"}, None, True),
        ({"session_id": "a", "user_session_id": "a"}, "b", False),
        ({"session_id": "a"}, "b", True),
        ({"session_id": "a"}, "a", False),
        ({"session_id": "a"}, None, False),
    ],
)
def test_what_makes_a_sub_session(
    documents: Documents, event_ids: Json, stored: str | None, is_sub_session: bool
) -> None:
    """The event's own fields first, then the user session that was set, else none."""
    documents.processor.set_user_session_id(stored)
    documents.process({"type": "message", "content": "x", **event_ids})
    (note,) = documents.of(rt.MessageComplete)
    assert note.message.is_sub_session is is_sub_session


IGNORED: dict[str, Json] = {
    "history": {"messages": [{"role": "user", "content": "x"}]},
    "history_delta": {"messages": [{"role": "user", "content": "x"}]},
    "complete_thought": {"content": "Hm."},
    "system_prompt": {"content": "Be kind."},
}


@pytest.mark.parametrize("type_", IGNORED)
@pytest.mark.parametrize("bare", [True, False])
def test_what_is_known_already_is_ignored(documents: Documents, type_: str, bare: bool) -> None:
    documents.process({"type": "text_delta", "content": "Hello", "session_id": "test"})
    before = documents.processor.state.text
    fields = {} if bare else IGNORED[type_]
    assert documents.process({"type": type_, "session_id": "test", **fields}) == []
    assert documents.processor.state.text == before


# -- what is emitted -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (rt.MessageStreaming, {"session_id", "message_id", "role", "delta"}),
        (rt.MessageComplete, {"session_id", "message"}),
        (rt.MessageAdded, {"session_id", "message"}),
        (rt.SessionMessagesLoaded, {"session_id", "messages"}),
        (rt.SessionsUpdated, {"session_ids"}),
        (rt.ToolNotification, {"session_id", "id", "tool_name", "status", "arguments"}),
        (rt.SystemNotification, {"type", "severity", "content", "source", "session_id"}),
    ],
)
def test_a_notification_has_the_fields_of_the_documents(
    kind: type[rt.Notification], fields: set[str]
) -> None:
    assert {field.name for field in attrs.fields(kind)} == fields


def test_the_documents_vocabulary_is_handled() -> None:
    """Every type in the table of the documents has a row, and so have those it ignores."""
    table = (
        "interaction text_delta thought_delta completion tool_select_delta tool_call render_media "
        "system_message error history_delta chat_session_changed user_message "
        "anthropic_user_message subsession_started subsession_ended cancelled"
    )
    for type_ in {*table.split(), *IGNORED}:
        row = REGISTRY.server_row(type_)
        assert row is not None
        assert rt.Lane.TEXT in row.lanes


def test_the_initialisation_sequence_ends_in_the_users_turn(documents: Documents) -> None:
    """Seven events, the last of which says that input is accepted; they may be as bare as this."""
    sequence: tuple[Json, ...] = (
        {"type": "chat_user_data", "user": {"user_id": "u1"}},
        {"type": "avatar_list", "avatars": [{"avatar_id": "a1"}]},
        {"type": "voice_list", "voices": [{"voice_id": "v1"}]},
        {"type": "agent_list", "agents": [{"key": "default"}]},
        {"type": "tool_catalog", "tools": [{"name": "search"}]},
        {"type": "chat_session_changed", "chat_session": {"session_id": "s1"}},
    )
    documents.process(*sequence)
    assert not documents.processor.state.turn.can_send_input
    documents.process({"type": "user_turn_start"})
    assert documents.of(rt.TurnStateChanged) == [rt.TurnStateChanged(can_send_input=True)]
    state = documents.processor.state
    assert state.turn.can_send_input
    catalog = state.catalog
    assert catalog.user is not None
    assert catalog.user.user_id == "u1"
    held = (catalog.agents, catalog.voices, catalog.avatars, catalog.tools)
    assert [len(each) for each in held] == [1, 1, 1, 1]


def test_audio_and_text_come_side_by_side(documents: Documents) -> None:
    documents.process({"type": "text_delta", "content": "Hello ", "session_id": "test"})
    heard = documents.processor.process_audio(b"\x01\x00\x02\x00")
    documents.process({"type": "text_delta", "content": "world", "session_id": "test"})
    assert [note.name for note in heard] == ["audio-output"]
    assert documents.open_message("test").content == "Hello world"


# -- custom events, errors -----------------------------------------------------------------


@pytest.fixture
def _no_types_of_tests() -> Iterator[None]:
    before = set(REGISTRY)
    yield
    for row in set(REGISTRY) - before:
        REGISTRY.remove(row)


def test_an_event_type_that_nobody_knows_changes_nothing(documents: Documents) -> None:
    assert documents.process({"type": "custom_event", "session_id": "test"}) == []
    assert documents.processor.state.counters.unknown == 1
    assert documents.processor.state.sessions == {}


@pytest.mark.usefixtures("_no_types_of_tests")
def test_a_custom_event_has_its_own_handler() -> None:
    """Custom processing is a class and a pure handler, not an override of the processor."""

    @rt.event("custom_event", lanes=rt.Lane.TEXT)
    class CustomEvent(rt.ServerEvent):
        pass

    @rt.handles(CustomEvent)
    def processed(
        slice_: rt.TextSlice, event: CustomEvent
    ) -> tuple[rt.TextSlice, tuple[rt.Notification, ...]]:
        count: int = slice_.extra.get("custom-processed", 0)
        return slice_.with_extra("custom-processed", count + 1), ()

    documents = Documents(_as_mapping)
    documents.process(
        {"type": "custom_event"},
        {"type": "text_delta", "content": "Hello", "session_id": "test"},
    )
    assert documents.processor.state.text.extra["custom-processed"] == 1
    assert documents.open_message("test").content == "Hello"


def test_an_event_that_cannot_be_processed_is_announced_and_the_stream_goes_on() -> None:
    documents = Documents(_as_mapping)
    documents.process(
        {"type": "text_delta", "session_id": "test"},
        {"type": "text_delta", "content": "Hello", "session_id": "test"},
    )
    (fault,) = documents.of(rt.ProcessingFailed)
    assert fault.event_type == "text_delta"
    assert "content" in fault.error
    assert documents.open_message("test").content == "Hello"


def test_no_session_keeps_unlimited_messages() -> None:
    processor = rt.EventStreamProcessor(limits=rt.Limits(max_messages=2))
    for content in "abc":
        processor.process_event({"type": "message", "content": content, "session_id": "test"})
    assert [each.content for each in processor.state.sessions["test"].messages] == ["b", "c"]


# -- the longer examples -------------------------------------------------------------------


class ChatController:
    """What a chat window shows: every message that is complete, and the one that is written."""

    def __init__(self) -> None:
        self.processor = rt.EventStreamProcessor()
        self.messages: list[rt.Message] = []
        self.streaming: rt.Message | None = None
        self.tools: dict[str, str] = {}
        self.errors: list[str] = []
        self.infos: list[str] = []
        self.displays: list[list[str]] = []

    def process_incoming_event(self, event: Mapping[str, Any]) -> None:
        for note in self.processor.process_event(event):
            self._show(note)

    def reset(self) -> None:
        self.processor.reset()
        self.messages, self.streaming = [], None

    def _show(self, note: rt.Notification) -> None:
        match note:
            case rt.MessageStreaming(session_id=session_id):
                written = self.processor.state.sessions[session_id].open_message
                self.streaming = None if written is None else written.snapshot()
                self._render()
            case rt.MessageComplete(message=message):
                self.messages.append(message)
                self.streaming = None
                self._render()
            case rt.SessionMessagesLoaded(messages=messages):
                self.messages, self.streaming = list(messages), None
                self._render()
            case rt.ToolNotification(id=tool_id, status=status):
                self.tools[tool_id] = status
            case rt.ToolNotificationRemoved(id=tool_id):
                del self.tools[tool_id]
            case rt.SystemNotification(severity="error", content=content):
                self.errors.append(content)
            case rt.SystemNotification(content=content):
                self.infos.append(content)
            case _:
                pass

    def _render(self) -> None:
        shown = [*self.messages, *([self.streaming] if self.streaming else [])]
        self.displays.append([str(message.content) for message in shown])


def test_the_chat_controller() -> None:
    chat = ChatController()
    loaded = [{"role": "user", "content": "before"}]
    think = {"id": "t0", "name": "think"}
    call = {"id": "t1", "name": "search"}
    for event in (
        {"type": "chat_session_changed", "chat_session": {"session_id": "s", "messages": loaded}},
        {"type": "text_delta", "content": "Hel", "session_id": "s"},
        {"type": "text_delta", "content": "lo", "session_id": "s"},
        {"type": "tool_select_delta", "tool_calls": [think, call], "session_id": "s"},
        {"type": "tool_call", "active": True, "tool_calls": [think, call], "session_id": "s"},
        {"type": "completion", "running": False, "session_id": "s"},
        {"type": "system_message", "content": "careful", "session_id": "s"},
        {"type": "system_message", "content": "fyi", "severity": "info", "session_id": "s"},
        {"type": "error", "message": "broken"},
    ):
        chat.process_incoming_event(event)
    assert chat.displays == [
        ["before"],
        ["before", "Hel"],
        ["before", "Hello"],
        ["before", "Hello"],
    ]
    assert chat.tools == {"t1": "executing"}
    assert (chat.errors, chat.infos) == (["careful", "broken"], ["fyi"])
    chat.reset()
    chat.process_incoming_event({"type": "text_delta", "content": "anew", "session_id": "s"})
    assert chat.displays[-1] == ["anew"]
