"""One paragraph: when the library is faster than a consumer written by hand, and when it is not."""

from __future__ import annotations

from collections.abc import Iterator

from ._budget import Outcome, judge
from ._model import Run
from ._stats import Estimate

__all__ = ["verdict"]

# The lines of the budget that compare with hand-written code on asyncio.
_FLOOD = {
    "json and pydantic": "the faster transport, events/s over asyncio by hand (json + pydantic)",
    "msgspec": "the faster transport, events/s over asyncio by hand (msgspec)",
}
_PACED = "at a pace, the faster transport, over asyncio by hand (json + pydantic)"


def verdict(run: Run) -> str:
    """Compare the client with hand-written asyncio code; empty if the run did not measure it."""
    outcomes = {outcome.line.what: outcome for outcome in judge(run)}
    return " ".join(_sentences(outcomes))


def _sentences(outcomes: dict[str, Outcome]) -> Iterator[str]:
    for how, what in _FLOOD.items():
        if what in outcomes:
            value = outcomes[what].value
            yield (
                f"In a flood, a client on the faster transport is {_compared(value, 'faster')} than"
                f" a consumer written by hand with asyncio and {how}:"
                f" {value.median:.2f} times the events per second."
            )
    if _PACED in outcomes:
        value = outcomes[_PACED].value
        yield (
            f"At a steady pace, it is {_compared(value, 'slower')} than the consumer with json and"
            f" pydantic: {value.median:.2f} times the CPU time per event."
        )


def _compared(value: Estimate, above: str) -> str:
    """Say what a ratio means: ``above`` if it is above 1."""
    below = "slower" if above == "faster" else "faster"
    if value.low <= 1 <= value.high:
        return "not measurably faster or slower"
    return above if value.median > 1 else below
