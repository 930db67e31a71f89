"""Short functions for the answers of a scripted server: ``turn(...)``, ``tool(...)`` and more.

::

    server.script(turn("Hello", text="Hi there", tools=[tool("search", result="3 hits")]))

The keywords of :func:`turn` give the usual order: a thought, a preface, tools and
delegations, media, raw events, the text, speech, and possibly a failure. If the order
matters, pass the steps themselves: ``turn("Hello", think("..."), say("..."), use(...))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar, cast

from ..server._turn_script import (
    Call,
    Delegate,
    Emit,
    Fail,
    Notice,
    Render,
    Say,
    ScriptedAnswer,
    ScriptedMedia,
    ScriptedTool,
    ScriptedTurn,
    Speak,
    Step,
    Think,
    UseTools,
    Wait,
    WireFrame,
)

__all__ = [
    "answer",
    "command",
    "delegate",
    "emit",
    "fail",
    "media",
    "notice",
    "say",
    "show",
    "speak",
    "think",
    "tool",
    "turn",
    "use",
    "wait",
]

T = TypeVar("T")


def say(*pieces: str, size: int | None = None) -> Say:
    """Stream text. The server splits a single piece; several pieces, or a ``size``, are exact."""
    if size is not None:
        text = "".join(pieces)
        cut = tuple(text[i : i + size] for i in range(0, len(text), size))
        return Say(text=text, pieces=cut)
    return Say(text=pieces[0]) if len(pieces) == 1 else Say(pieces=pieces)


def think(text: str, *, by_tool: bool = False) -> Think:
    """Stream a thought; ``by_tool`` sends it through the tool named ``think``."""
    return Think(text=text, by_tool=by_tool)


def tool(
    name: str,
    input: Mapping[str, object] | None = None,
    *,
    result: str = "ok",
    id: str | None = None,
    is_error: bool = False,
    raises: str | None = None,
    delay: float = 0.0,
    media: Iterable[ScriptedMedia] = (),
    events: Iterable[WireFrame] = (),
) -> ScriptedTool:
    """Make one tool call: its input, running time, media and result."""
    return ScriptedTool(
        name=name,
        input=dict(input or {}),
        result=result,
        id=id,
        is_error=is_error,
        raises=raises,
        delay=delay,
        media=tuple(media),
        events=tuple(events),
    )


def delegate(
    agent_key: str = "helper",
    request: str = "Please help.",
    *steps: Step,
    text: str | None = None,
    kind: Literal["chat", "oneshot"] = "oneshot",
    by: Literal["assist", "clone", "team", "tool"] = "assist",
    id: str | None = None,
    delay: float | None = None,
) -> Delegate:
    """Delegate ``request`` to another agent, which answers with ``steps`` and ``text``.

    ``server.script`` raises ``ValueError`` if the server does not have that agent.
    """
    reply = turn(None, *steps, text=text, delay=delay)
    return Delegate(reply=reply, agent_key=agent_key, request=request, kind=kind, by=by, id=id)


def use(*calls: Call) -> UseTools:
    """Call tools and delegations, all at the same time."""
    return UseTools(calls=calls)


def media(
    content: str | None = None,
    content_type: str = "text/markdown",
    *,
    url: str | None = None,
    name: str | None = None,
    sent_by_class: str | None = None,
    sent_by_function: str | None = None,
    foreign_content: bool = False,
) -> ScriptedMedia:
    """Make something to render, for the ``media`` of a tool or a turn."""
    return ScriptedMedia(
        content=content,
        content_type=content_type,
        url=url,
        name=name,
        sent_by_class=sent_by_class,
        sent_by_function=sent_by_function,
        foreign_content=foreign_content,
    )


def show(item: ScriptedMedia) -> Render:
    """Render :func:`media` as a separate step."""
    return Render(media=item)


def speak(audio: bytes | str, *, frame: float = 0.04) -> Speak:
    """Send speech: PCM16 (mono, 16 kHz), or text, which becomes tones."""
    return Speak(audio=audio, frame=frame)


def notice(content: str, *, severity: Literal["info", "warning", "error"] = "info") -> Notice:
    """Send a ``system_message`` of the server itself."""
    return Notice(content=content, severity=severity)


def wait(seconds: float) -> Wait:
    """Send nothing for ``seconds``; a cancel ends the wait."""
    return Wait(seconds=seconds)


def emit(*frames: WireFrame) -> Emit:
    """Send events (mappings), text frames (``str``) and binary frames unchanged."""
    return Emit(frames=frames)


def fail(
    message: str = "Exception during completion",
    *,
    by: Literal["system_message", "error"] = "system_message",
) -> Fail:
    """Fail at this point, as a runtime does."""
    return Fail(message=message, by=by)


def turn(
    user: str | None = None,
    *steps: Step,
    thoughts: str | Iterable[str] = (),
    preface: str | None = None,
    tools: Iterable[Call] = (),
    delegate: Delegate | Iterable[Delegate] = (),
    media: ScriptedMedia | Iterable[ScriptedMedia] = (),
    events: Iterable[WireFrame] = (),
    text: str | None = None,
    audio: bytes | str | None = None,
    fail: str | None = None,
    delay: float | None = None,
    late: int = 0,
    stop_reason: str = "end_turn",
    input_tokens: int = 123,
    output_tokens: int | None = None,
    times: int = 1,
    start: float | None = None,
    unprepared: str | None = None,
) -> ScriptedTurn:
    """Make the server's answer to ``user`` (``None``: to any input).

    ``steps`` come first, then the keywords in the order of the signature. ``delay`` is the time
    between two deltas in seconds, ``late`` is the number of deltas that still leave after a
    cancel, and ``times`` is how many inputs the turn answers. ``start`` is the time in seconds
    between the input and ``user_turn_end`` (``None``: ``ServerConfig.turn_start``): commands
    that arrive in between are handled first, and a cancel then cancels nothing. ``unprepared``
    is the message of an ``error`` with which the turn fails before its interaction, as with a
    file that the server does not have; the steps are then not used.
    """
    built: list[Step] = list(steps)
    built += [Think(text=thought) for thought in _as_tuple(thoughts, str)]
    if preface is not None:
        built.append(say(preface))
    calls: tuple[Call, ...] = (*tools, *_as_tuple(delegate, Delegate))
    if calls:
        built.append(UseTools(calls=calls))
    built += [Render(media=item) for item in _as_tuple(media, ScriptedMedia)]
    if frames := tuple(events):
        built.append(Emit(frames=frames))
    if text is not None:
        built.append(say(text))
    if audio is not None:
        built.append(speak(audio))
    if fail is not None:
        built.append(Fail(message=fail))
    return ScriptedTurn(
        steps=tuple(built),
        user=user,
        delay=delay,
        late=late,
        stop_reason=stop_reason,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        times=times,
        start=start,
        unprepared=unprepared,
    )


def answer(type: str, *steps: Step, error: str | None = None, times: int = 1) -> ScriptedAnswer:
    """Make the server's answer to a command, in place of the usual one: ``answer("set_agent")``.

    ``type`` is the type of the command's event. ``steps`` are sent at once, outside any turn,
    and the command has no other effect; ``error`` adds an ``error`` event. With neither, the
    command gets no answer: ``answer("ping")`` loses one ``pong``. ``times`` is how many
    commands are answered in this way.
    """
    return ScriptedAnswer(command=type, steps=_with_error(steps, error), times=times)


def command(
    text: str | None, *steps: Step, error: str | None = None, times: int = 1
) -> ScriptedAnswer:
    """Make an answer to the input ``text`` (``None``: any) that starts no turn.

    Real servers answer chat commands such as ``!help`` like this, with one of ``show(media())``,
    ``notice()`` and ``emit()``. ``error`` refuses the input with an ``error`` event. With
    neither, the input gets no answer, like a blank text.
    """
    steps = _with_error(steps, error)
    return ScriptedAnswer(command="text_input", steps=steps, user=text, times=times)


def _with_error(steps: tuple[Step, ...], error: str | None) -> tuple[Step, ...]:
    return steps if error is None else (*steps, Fail(message=error, by="error"))


def _as_tuple(value: T | Iterable[T], kind: type[T]) -> tuple[T, ...]:
    """Wrap a single item in a tuple; a string is one item, not its characters."""
    return (value,) if isinstance(value, kind) else tuple(cast("Iterable[T]", value))
