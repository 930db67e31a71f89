"""What the demo's server says."""

from __future__ import annotations

from typing import Final

from ..server import Turn
from ..testing import delegate, media, say, show, speak, think, tool, turn, use

__all__ = ["FLOOD", "FLOODED", "QUESTIONS", "SPOKEN", "turns"]

_SKY: Final = "Why is the sky blue?"
_ROUTE: Final = "How do I get to the station, and is it raining?"
SPOKEN: Final = "Say it aloud, please."
FLOOD: Final = "Tell me everything."

QUESTIONS: Final = (_SKY, _ROUTE, SPOKEN)
FLOODED: Final = 100_000  # pieces of text that stand between a cancel and its notification


def turns() -> tuple[Turn, ...]:
    """A thought and an answer; tools, media and a delegation; speech; and a flood."""
    return (_thoughtful(), _busy(), _spoken(), _flood())


def _thoughtful() -> Turn:
    return turn(
        _SKY,
        think("Rayleigh scattering; the question is short, so is the answer."),
        say(
            "Air scatters short waves more than long ones: blue light reaches the eye from "
            "every direction, red light mostly from where the sun is."
        ),
    )


def _busy() -> Turn:
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
        say("It rains a little. Somebody who knows the town will say which way is dry."),
        use(local),
        show(media("**Mill Lane** → the arcade → station", name="way.md")),
        say("Nine minutes on foot. Take the arcade and you stay dry."),
    )


def _spoken() -> Turn:
    return turn(
        SPOKEN,
        say("Listen:"),
        speak("nine minutes on foot take the arcade and you stay dry"),
    )


def _flood() -> Turn:
    return turn(FLOOD, say("word " * FLOODED, size=5), delay=0.0)
