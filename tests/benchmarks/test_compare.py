"""Two runs beside each other."""

from __future__ import annotations

from benchmarks._compare import compare

from .runs import answer, core, run, series

CORE = ("core", "core")


def test_faster_slower_same() -> None:
    assert compare(core(4.0), core(3.0))[CORE].kind == "faster"
    assert compare(core(3.0), core(4.0))[CORE].kind == "slower"
    assert compare(core(3.0), core(3.0))[CORE].kind == "same"


def test_a_slower_machine_is_no_slower_library() -> None:
    found = compare(core(3.0), core(6.0, loads=4.0))
    assert found[CORE].kind == "same"
    assert found["core", "json.loads"].kind == "slower"


def test_where_more_is_better() -> None:
    before = run(answer("many", series("fairness", 0.5, 0.51, 0.52, unit="x", better="higher")))
    after = run(answer("many", series("fairness", 0.9, 0.91, 0.92, unit="x", better="higher")))
    assert compare(before, after)["many", "fairness"].kind == "faster"


def test_only_what_both_have_is_compared() -> None:
    after = run(*core(3.0).answers, answer("new", series("one", 1.0)))
    assert set(compare(core(3.0), after)) == {CORE, ("core", "json.loads")}
    empty = run(answer("core", series("core", base="json.loads")))
    assert compare(core(3.0), empty) == {}


def test_a_base_that_only_one_of_them_has_is_not_read_against() -> None:
    alone = run(answer("core", series("core", 3.0, 3.0, 3.0, 3.0)))
    assert compare(core(3.0), alone)[CORE].kind == "same"


def test_single_samples_tell_nothing() -> None:
    before = run(answer("startup", series("help", 500.0, unit="ms")))
    after = run(answer("startup", series("help", 100.0, unit="ms")))
    verdict = compare(before, after)["startup", "help"]
    assert (verdict.kind, str(verdict)) == ("unknown", "too few samples")
