"""The script of the demo's server."""

from __future__ import annotations

from typing import Final

from ..audio import silence, tone
from ..server import ScriptedTurn, synthesise
from ..testing import delegate, emit, media, say, show, speak, think, tool, turn, use

__all__ = ["ANSWERS_ALOUD", "FLOOD", "FLOODED", "QUESTIONS", "SAID", "turns"]

_SKY: Final = "Why is the sky blue?"
_ROUTE: Final = "How do I get to the station, and is it raining?"
FLOOD: Final = "Tell me everything."

QUESTIONS: Final = (_SKY, _ROUTE)

_RATE: Final = 16_000
_FRAME: Final = 3200


def _said(seconds: float, pause: float) -> bytes:
    return tone(330, round(seconds * _RATE), _RATE) + silence(round(pause * _RATE))


SAID: Final = _said(0.6, 2.6) + _said(0.5, 0.8)
"""Return the user's speech: a question, and an interruption of the answer."""
ANSWERS_ALOUD: Final = 2

FLOODED: Final = 100_000  # deltas between a cancel and its notification


def turns() -> tuple[ScriptedTurn, ...]:
    """Return the turns: a thought and an answer; tools and a delegation; two by voice; a flood."""
    return (_thoughtful(), _busy(), _spoken(), _brief(), _flood())


def _thoughtful() -> ScriptedTurn:
    return turn(
        _SKY,
        think("Rayleigh scattering; the question is short, so is the answer."),
        say(
            "Air scatters short waves more than long ones: blue light reaches the eye from "
            "every direction, red light mostly from where the sun is."
        ),
    )


def _busy() -> ScriptedTurn:
    weather = tool("weather", {"place": "here"}, result="light rain, 12 °C", delay=0.6)
    route = tool(
        "find_route",
        {"to": "station", "by": "foot"},
        result="9 minutes: Mill Lane, then left",
        delay=0.3,
        media=[media("<svg><!-- a map --></svg>", "image/svg+xml", name="map.svg")],
    )
    local = delegate("helper", "Which way is dry?", text="Take the arcade; it has a roof.")
    return turn(
        _ROUTE,
        say("Let me look."),
        use(weather, route),
        say("It rains a little. An agent that knows the town can find a dry way."),
        use(local),
        show(media("**Mill Lane** → the arcade → station", name="way.md")),
        say("Nine minutes on foot. Take the arcade and you stay dry."),
    )


def _spoken() -> ScriptedTurn:
    pcm = synthesise("Leave the house and turn left into Mill Lane, then " * 4)
    return turn(
        "[voice]",
        say("Mill Lane first; the whole way is this:"),
        # Sent at once, like a fast synthesiser: most of it is queued for playback.
        emit(*(pcm[place : place + _FRAME] for place in range(0, len(pcm), _FRAME))),
    )


def _brief() -> ScriptedTurn:
    return turn("[voice]", say("Nine minutes."), speak(synthesise("nine minutes on foot")))


def _flood() -> ScriptedTurn:
    return turn(FLOOD, say("word " * FLOODED, size=5), delay=0.0)
