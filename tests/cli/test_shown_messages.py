"""Which messages of the server's list are on the screen already."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._messages import Message
from realtime_trio.cli._interactive._shown_messages import ShownMessages

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLES = st.sampled_from(["user", "assistant"])


def message(role: str, text: str, session_id: str = "s") -> Message:
    return Message(id="any", session_id=session_id, role=role, content=text, timestamp=NOW)


def shown(*messages: Message) -> ShownMessages:
    made = ShownMessages()
    for each in messages:
        made.add(each)
    return made


# Few texts, so a conversation repeats itself.
CONVERSATIONS = st.lists(st.builds(message, ROLES, st.sampled_from(["a", "b", "c"])))


@given(before=CONVERSATIONS, missed=CONVERSATIONS)
def test_finds_the_messages_that_were_missed(before: list[Message], missed: list[Message]) -> None:
    """Also if they repeat earlier ones, and only once."""
    screen = shown(*before)
    assert screen.replace([*before, *missed]) == missed
    assert screen.replace([*before, *missed]) == []


@given(before=CONVERSATIONS)
def test_ignores_what_the_server_did_not_keep(before: list[Message]) -> None:
    screen = shown(*before, message("assistant", "interrupted"))
    answer = message("assistant", "interrupted and completed")
    assert screen.replace([*before, answer]) == [answer]


def test_counts_a_text_of_the_user_as_shown_without_its_echo() -> None:
    screen = ShownMessages()
    screen.said("hello")
    sent, answer = message("user", "hello"), message("assistant", "hi")
    assert screen.replace([sent, answer]) == [answer]
    assert not screen.is_echo(sent)  # that was the echo


def test_omits_what_is_neither_a_text_nor_a_part_of_the_conversation() -> None:
    """A message that only calls tools, and the prompt of the system."""
    listed = [message("system", "be kind"), message("assistant", " \n")]
    assert ShownMessages().replace(listed) == []


def test_ignores_differences_in_white_space() -> None:
    assert shown(message("assistant", "a  b\n")).replace([message("assistant", "a b")]) == []


def test_shows_everything_of_another_session() -> None:
    first, other = message("user", "a"), message("user", "a", session_id="other")
    screen = shown(first)
    assert screen
    assert screen.replace([other]) == [other]
    screen.clear()
    assert not screen
    assert screen.replace([first]) == [first]
