"""What ``fault_plans`` generates."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

from hypothesis import find, given

from realtime_trio.server import Cut, Faults, Packet, Plan, SlowDrain, Stall
from realtime_trio.testing import fault_plans
from tests.source import ROOT


@given(fault_plans(max_plans=2, max_times=3, max_seconds=1.5))
def test_plans_are_bounded(plans: tuple[Plan, ...]) -> None:
    """In number, in how often they apply, and in time."""
    assert len(plans) <= 2
    for plan in plans:
        if isinstance(plan, SlowDrain):
            assert plan.bytes_per_second >= 1000
            continue
        times: int | None = getattr(plan, "times", None)
        assert times is not None
        assert 1 <= times <= 3
        seconds: float = getattr(plan, "seconds", 0.0)
        assert seconds <= 1.5 or (isinstance(plan, Stall) and math.isinf(seconds))
        assert not (isinstance(plan, Cut) and plan.how == "clean")


@given(fault_plans(max_seconds=0.0))
def test_generated_plans_can_be_installed(plans: tuple[Plan, ...]) -> None:
    """Once no plan applies any more, every frame passes."""
    faults = Faults(seed=1)
    faults.install(*plans)
    for number in range(500):
        faults.apply(Packet(connection=1, frame={"type": "pong", "n": number}, at=0.0))
    while faults.holding:
        faults.flush()
    last = Packet(connection=1, frame={"type": "pong", "n": 500}, at=1e9)
    (passed,) = faults.apply(last)
    assert isinstance(passed, Packet)
    assert passed.frame == last.frame


def test_every_kind_of_fault_is_generated() -> None:
    """The simplest example is a network without faults."""
    assert find(fault_plans(), lambda plans: True) == ()
    kinds = ("Cut", "Delay", "Drop", "Duplicate", "Garble", "Oversized", "Reorder", "SlowDrain")
    for kind in (*kinds, "Stall"):

        def has(plans: tuple[Any, ...], kind: str = kind) -> bool:
            return any(type(plan).__name__ == kind for plan in plans)

        assert has(find(fault_plans(max_plans=1), has))


@given(fault_plans(frames=False))
def test_faults_of_single_frames_can_be_left_out(plans: tuple[Plan, ...]) -> None:
    """The remaining faults either reach the client or do no harm."""
    assert {type(plan).__name__ for plan in plans}.isdisjoint(
        {"Drop", "Duplicate", "Reorder", "Garble"}
    )


def test_the_kit_imports_without_hypothesis() -> None:
    """Hypothesis is an extra: only generating examples needs it."""
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import realtime_trio.testing as kit\n"
        "try: kit.fault_plans()\n"
        "except ImportError as exc: print(exc); sys.exit(7)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
    )
    assert run.returncode == 7
    assert run.stdout == "fault_plans needs hypothesis: pip install 'realtime-trio[testing]'\n"
