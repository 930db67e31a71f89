"""The tests of the bot: a scripted server in memory, faults, and a virtual clock.

pip install "realtime-trio[testing]"
pytest examples/test_support_bot.py
"""

from typing import Any

import realtime_trio as rt
from examples.support_bot import FAILED, PATIENCE, SORRY, SupportBot


async def test_it_answers(realtime_server: Any, realtime_client: Any) -> None:
    """The answer is the agent's text, also after it has used a tool."""
    search = rt.testing.tool("search", {"query": "opening hours"}, result="9 to 5")
    realtime_server.script(
        rt.testing.turn("When are you open?", tools=[search], text="From 9 to 5.")
    )
    bot = SupportBot(realtime_client)
    assert await bot.reply("When are you open?") == "From 9 to 5."
    assert bot.escalated == []


async def test_a_slow_agent_is_cancelled(
    realtime_server: Any, realtime_client: Any, autojump_clock: Any
) -> None:
    """Half a minute takes no real time: the clock jumps when all tasks wait."""
    slow = rt.testing.turn("Why?", rt.testing.wait(10 * PATIENCE), rt.testing.say("Because."))
    realtime_server.script(slow)
    bot = SupportBot(realtime_client)
    assert await bot.reply("Why?") == SORRY
    assert bot.escalated == ["Why?"]
    assert any(frame.type == "client_wants_cancel" for frame in realtime_server.seen)


async def test_a_failure_is_escalated(realtime_server: Any, realtime_client: Any) -> None:
    """The customer does not see the server's exception."""
    realtime_server.script(rt.testing.turn("Break", unprepared="boom"))
    bot = SupportBot(realtime_client)
    assert await bot.reply("Break") == FAILED
    assert bot.escalated == ["Break"]


async def test_a_lost_link_does_not_matter(
    realtime_server: Any, realtime_client: Any, autojump_clock: Any
) -> None:
    """The client reconnects and requests what it has missed."""
    realtime_server.faults.cut(after=1)
    bot = SupportBot(realtime_client)
    await bot.reply("Hello")
    assert await bot.reply("Again") == "You said: Again"
