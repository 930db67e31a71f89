"""Speech: push-to-talk, voice activity detection, echo, tones, and text-only voices."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.server import ScriptedTurn, ServerConfig
from realtime_trio.server import _tones as tones
from realtime_trio.testing import say, speak, turn
from tests.server.clients import DirectClient, text_of
from tests.server.wire_shapes import types

LOUD = struct.pack("<320h", *(int(9000 * math.sin(i / 5)) for i in range(320)))
QUIET = bytes(640)


def started(*scripts: ScriptedTurn, **options: Any) -> DirectClient:
    """Make an initialised client."""
    client = DirectClient(ServerConfig(**options), *scripts)
    client.dial()
    client.take()
    return client


def audio(events: list[Any]) -> bytes:
    """Return all binary frames, joined."""
    return b"".join(event for event in events if isinstance(event, bytes))


def test_push_to_talk_is_echoed() -> None:
    client = started()
    client.send(LOUD)  # ignored: no utterance has started
    assert client.ask({"type": "ptt_start"}) == [{"type": "server_listening"}]
    for _ in range(10):
        assert client.ask(LOUD) == []
    events = client.ask({"type": "ptt_end"})
    assert audio(events) == LOUD * 10
    assert text_of([e for e in events if isinstance(e, dict)]) == "You said 0.20 s."
    spoken = [e for e in events if isinstance(e, dict)]
    assert types(spoken)[0] == "user_turn_end"
    assert types(spoken)[-1] == "user_turn_start"
    assert spoken[2]["message"] == {"role": "user", "content": "[voice 0.20 s]"}


def test_speech_leaves_in_real_time() -> None:
    client = started(turn(None, speak(bytes(32_000), frame=0.1)))
    client.say("go").run(0.35)
    assert len(audio(client.take())) == 4 * 3200
    client.run(0.7)
    assert len(audio(client.take())) == 6 * 3200


def test_an_empty_utterance_starts_no_turn() -> None:
    client = started()
    client.ask({"type": "ptt_start"})
    assert client.ask({"type": "ptt_end"}) == []
    assert client.ask({"type": "ptt_end"}) == []


def test_an_utterance_can_have_a_script() -> None:
    client = started(turn("[voice]", text="heard", audio="two words"))
    client.send({"type": "ptt_start"}).send(LOUD)
    events = client.ask({"type": "ptt_end"})
    assert text_of(events) == "heard"
    assert audio(events) == tones.speech("two words")


def test_the_vad_detects_the_end_of_speech() -> None:
    client = started(voice_hangover=0.1)
    mode = {"type": "set_voice_input_mode", "mode": "vad"}
    assert [e["type"] for e in client.ask(mode)] == ["voice_input_supported", "server_listening"]
    for frame in (QUIET, LOUD, LOUD, QUIET, LOUD, QUIET, QUIET, QUIET, QUIET):
        assert client.ask(frame) == []
    received = audio(client.ask(QUIET))
    assert received == LOUD * 2 + QUIET + LOUD + QUIET * 5


def test_speech_is_ignored_while_an_answer_runs() -> None:
    client = started(turn(text="x" * 100, delay=1.0), voice_hangover=0.02)
    client.ask({"type": "set_voice_input_mode", "mode": "vad"})
    client.say("go").run(2.0)
    client.send(LOUD).send(QUIET).send(QUIET)
    client.run()
    assert types([e for e in client.take() if isinstance(e, dict)]).count("user_turn_end") == 1


def test_realtime_mode_echoes_immediately() -> None:
    client = started()
    modes = client.ask({"type": "set_voice_input_mode", "mode": "realtime"})
    assert modes[0]["modes"] == ["ptt", "vad", "realtime"]
    assert client.ask(LOUD) == [LOUD]


@pytest.mark.parametrize("voice_id", ["none", "avatar"])
def test_without_a_voice_nothing_is_spoken(voice_id: str) -> None:
    client = started(turn("go", text="hi", audio=LOUD, times=2))
    client.ask({"type": "set_agent_voice", "voice_id": voice_id})
    assert audio(client.answer("go")) == b""
    client.ask({"type": "set_voice_input_mode", "mode": "realtime"})
    assert client.ask(LOUD) == []
    client.ask({"type": "set_agent_voice", "voice_id": "alloy"})
    assert audio(client.answer("go")) == LOUD


def test_base64_input_is_answered_in_base64() -> None:
    client = started(voice_hangover=0.02)
    delta = {"type": "audio_input_delta", "content": base64.b64encode(LOUD).decode()}
    client.ask({"type": "set_voice_input_mode", "mode": "realtime"})
    (echo,) = client.ask(delta)
    assert echo["type"] == "audio_delta"
    assert echo["content_type"] == "audio/L16"
    assert base64.b64decode(echo["content"]) == LOUD
    client.ask({"type": "set_voice_input_mode", "mode": "vad"})
    client.send(delta)
    silence = {"type": "audio_input_delta", "content": base64.b64encode(QUIET).decode()}
    events = client.ask(silence)
    spoken = [e for e in events if e["type"] == "audio_delta"]
    assert b"".join(base64.b64decode(e["content"]) for e in spoken) == LOUD + QUIET
    assert len({e["id"] for e in spoken}) == 1


def test_an_odd_length_is_an_error_and_kills_nothing() -> None:
    client = started(turn(text="x" * 50, delay=1.0))
    client.say("go").run(3.0).take()
    events = client.ask(b"\0\0\0")
    assert events[0]["type"] == "error"
    assert events[-1]["type"] == "user_turn_start"


def test_a_cancel_stops_the_speech() -> None:
    client = started(turn(None, speak(bytes(320_000)), say("never")))
    client.say("go").run(1.0).take()
    events = client.ask({"type": "client_wants_cancel"})
    assert audio(events) == b""
    assert text_of(events) == ""
    assert events[-1]["type"] == "user_turn_start"


def test_speech_goes_on_in_a_deleted_session() -> None:
    client = started()
    client.ask({"type": "set_voice_input_mode", "mode": "realtime"})
    client.ask({"type": "delete_chat_session"})
    assert client.ask(LOUD) == [LOUD]


def test_an_utterance_is_bounded() -> None:
    client = started(max_utterance=0.05)
    client.send({"type": "ptt_start"})
    for _ in range(10):
        client.send(LOUD)
    assert len(audio(client.ask({"type": "ptt_end"}))) == 1600


# -- tones ---------------------------------------------------------------------------------


def test_words_become_tones() -> None:
    one, other = tones.speech("hello"), tones.speech("world")
    assert one != other
    assert tones.speech("hello world") == one + other
    assert tones.duration(one) == pytest.approx(0.16)
    assert tones.level(one) > 0.1
    assert tones.speech("") == b""
    assert tones.speech(LOUD) == LOUD


@given(st.binary(max_size=5000).map(lambda data: data[: len(data) // 2 * 2]), st.floats(0.001, 0.2))
def test_frames_lose_nothing(pcm: bytes, seconds: float) -> None:
    cut = list(tones.frames(pcm, seconds))
    assert b"".join(cut) == pcm
    assert all(len(frame) % 2 == 0 for frame in cut)


def test_the_level_is_the_rms_of_the_samples() -> None:
    assert tones.level(b"") == 0.0
    assert tones.level(bytes(100)) == 0.0
    assert tones.level(struct.pack("<2h", -32768, -32768)) == 1.0
