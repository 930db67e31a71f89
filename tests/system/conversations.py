"""Conversations that between them use all that the embedded server can say."""

from __future__ import annotations

import trio

from realtime_trio._client._client import Client
from realtime_trio.cli import _demo_script
from realtime_trio.server import RealtimeServer
from realtime_trio.testing import (
    delegate,
    emit,
    fail,
    media,
    say,
    show,
    speak,
    think,
    tool,
    turn,
    use,
    wait,
)

from .three_ways import Conversation


async def ask(client: Client, text: str) -> None:
    """One question, to its end."""
    async with client.ask(text):
        pass


async def text(server: RealtimeServer, client: Client) -> None:
    """Three answers, one of them empty, one of letters beyond ASCII."""
    server.script(turn("a", text="Plain text."), turn("b", text=""), turn("c", text="Ünïcödé 🎈"))
    for question in "abc":
        await ask(client, question)


async def thoughts(server: RealtimeServer, client: Client) -> None:
    """Thoughts before, between and without text; the same through the tool ``think``."""
    server.script(
        turn("native", think("one"), say("said"), think("two"), say("more")),
        turn("tool", think("by tool", by_tool=True), say("after"), think("again", by_tool=True)),
    )
    await ask(client, "native")
    await ask(client, "tool")


async def tools(server: RealtimeServer, client: Client) -> None:
    """Tools one by one, together, failing, raising, beside ``think``, before any text."""
    both = use(
        tool("left", {"q": 1}, result="l"), tool("right", {"q": [2]}, result="r", delay=0.02)
    )
    server.script(
        turn(
            "one", preface="Looking.", tools=[tool("search", {"q": "x"}, result="3")], text="Done"
        ),
        turn("two", both, say("both")),
        turn("bad", use(tool("broken", is_error=True, result="no"), tool("loud", raises="boom"))),
        turn("deep", think("hm", by_tool=True), use(tool("search", result="y")), say("so")),
    )
    for question in ("one", "two", "bad", "deep"):
        await ask(client, question)


async def shown(server: RealtimeServer, client: Client) -> None:
    """Media of tools and of the turn, between two pieces of text."""
    chart = media(url="https://example.com/a.png", content_type="image/png")
    picture = media("<b>x</b>", "text/html", name="x", foreign_content=True)
    server.script(
        turn(
            "show",
            say("look: "),
            show(picture),
            say("there"),
            use(tool("chart", media=[chart])),
        )
    )
    await ask(client, "show")


async def delegation(server: RealtimeServer, client: Client) -> None:
    """Delegations: one, nested ones, and two at the same time, interleaved."""
    inner = delegate("helper", "deeper", text="from the deep", by="team")
    outer = delegate(
        "helper", "first", think("well"), use(inner), say("from the middle"), kind="chat"
    )
    one = delegate("helper", "left", text="left answer " * 5, by="clone", delay=0.002)
    other = delegate("gpt", "right", use(tool("search")), text="right answer " * 5, delay=0.003)
    server.script(
        turn("single", delegate=delegate("helper", "please", text="gladly"), text="passed on"),
        turn("nested", use(outer), say("on top")),
        turn("parallel", use(one, other), say("both are done")),
    )
    for question in ("single", "nested", "parallel"):
        await ask(client, question)


async def cancel(server: RealtimeServer, client: Client) -> None:
    """Cancels in a text (with late deltas), in a tool, in a delegation, and of nothing."""
    slow = turn("text", say("begin"), wait(0.03), say("x" * 5000, size=1), late=3)
    server.script(
        slow,
        turn("tool", say("begin"), use(tool("slow", delay=0.2)), say("end")),
        turn("sub", say("begin"), use(delegate("helper", "r", say("sub"), wait(30))), say("end")),
    )
    for question in ("text", "tool", "sub"):
        async with client.ask(question) as asked:
            await asked.text.receive()
            await trio.sleep(0.05)
            await client.cancel()
    await client.cancel()
    await ask(client, "after")


async def failure(server: RealtimeServer, client: Client) -> None:
    """Runtimes that fail in both ways, in text and in a sub-session; a refused input."""
    server.script(
        turn("system", say("a bit"), fail()),
        turn("error", say("a bit"), fail("worse", by="error")),
        turn("sub", use(delegate("helper", "r", say("sub"), fail("inside")))),
        turn("odd", emit({"type": "future_event", "n": 1}, {"type": "text_delta"}, "{", b"\1\2")),
    )
    for question in ("system", "error", "sub", "odd"):
        await ask(client, question)
    async with client.ask("refused", file_ids=["no-such-file"]):
        pass


async def openai(server: RealtimeServer, client: Client) -> None:
    """An agent of the other vendor: flat calls, no completion at the end."""
    server.script(
        turn(
            "hello", think("hm"), say("text"), use(tool("search", {"q": 1}, result="3")), say("so")
        ),
        turn("help", use(delegate("helper", "please", text="gladly")), say("done")),
    )
    await (await client.new_chat_session(agent_key="gpt")).sent()
    for question in ("hello", "help", "echo"):
        await ask(client, question)


async def voice(server: RealtimeServer, client: Client) -> None:
    """Speech in both directions, and another voice."""
    server.script(turn("speak", say("hear: "), speak("tone", frame=0.01)))
    await client.set_agent_voice("coral")
    await ask(client, "speak")
    async with client.push_to_talk():
        for _ in range(5):
            await client.audio.send(b"\1\0" * 320)
    await trio.sleep(0.3)
    await client.ready()


async def sessions(server: RealtimeServer, client: Client) -> None:
    """What is done to sessions, and the lists that are asked for."""
    first = client.state.current_session_id
    server.script(turn("a", think("hm"), use(tool("search", result="3")), say("so")))
    await ask(client, "a")
    assert first is not None
    await client.set_chat_session_name("Named")
    await client.set_session_metadata({"k": [1, {"n": None}]})
    await client.new_chat_session()
    await ask(client, "b")
    await client.get_user_sessions()
    await client.resume_chat_session(first)
    await client.set_session_messages([{"role": "user", "content": "rewritten"}])
    await client.set_agent("helper")
    await client.set_agent_tools(["Toolset1"])
    for asked in (client.get_voices, client.get_agents, client.get_tool_catalog):
        await asked()
    await client.get_avatars()
    await client.list_workspaces()
    await ask(client, "c")
    await client.delete_chat_session()
    await (await client.resume_chat_session("nothing")).sent()


async def demo(server: RealtimeServer, client: Client) -> None:
    """What ``realtime-trio demo`` plays, its flood cut short by a cancel."""
    *turns, _ = _demo_script.turns()
    server.script(*turns, turn(_demo_script.FLOOD, say("word " * 400, size=5), late=2))
    for question in _demo_script.QUESTIONS:
        await ask(client, question)
    async with client.ask(_demo_script.FLOOD) as asked:
        await asked.text.receive()
        await client.cancel()


CONVERSATIONS: tuple[Conversation, ...] = (
    text,
    thoughts,
    tools,
    shown,
    delegation,
    cancel,
    failure,
    openai,
    voice,
    sessions,
    demo,
)
