"""Check scripts when they are queued, so a mistake fails where it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from ._options import ServerConfig
from ._turn_script import Delegate, ScriptedAnswer, ScriptedTurn, Step, UseTools

__all__ = ["Script", "check_script"]

Script = ScriptedTurn | ScriptedAnswer

_STEPS: tuple[type, ...] = get_args(Step)


def check_script(script: Script, config: ServerConfig) -> None:
    """Check every step of a script.

    Raises ``TypeError`` for a value that is not a step, and ``ValueError`` for a delegation to
    an agent that the server does not have.
    """
    for call in _delegations(script.steps):
        # A clone is the agent that calls it, so its key is never looked up.
        if call.by != "clone" and config.agent(call.agent_key) is None:
            known = ", ".join(repr(agent.key) for agent in config.agent_records)
            message = (
                f"delegate({call.agent_key!r}): this server has no such agent;"
                f" its agents are {known} (ServerConfig.agents)"
            )
            raise ValueError(message)


def _delegations(steps: Sequence[Step]) -> Iterator[Delegate]:
    for step in steps:
        if not isinstance(step, _STEPS):
            name = type(step).__name__
            message = f"a step must come from realtime_trio.testing; it is not a {name}"
            raise TypeError(message)
        if isinstance(step, UseTools):
            for call in step.calls:
                if isinstance(call, Delegate):
                    yield call
                    yield from _delegations(call.reply.steps)
