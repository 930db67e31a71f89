"""What a run is written as, and read from."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import _cli, _figures, _model, _report, _runner, _table
from benchmarks._model import Run

from .runs import answer, core, run, series


@pytest.fixture(name="found")
def _found() -> Run:
    broken = answer("startup", series("import trio", 100.0, unit="ms"), failure="it <fell> | over")
    return run(*core(2.0).answers, broken)


def shown(found: Run, before: Run | None = None) -> str:
    out = io.StringIO()
    _table.show(found, before, Console(file=out, width=120))
    return out.getvalue()


def test_a_run_comes_back_from_its_file(found: Run, tmp_path: Path) -> None:
    _model.save(found, tmp_path / "deep" / "run.json")
    assert _model.load(tmp_path / "deep" / "run.json") == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"when": 1}', "null"])
def test_what_is_no_run_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match="is not a run"):
        _model.load(tmp_path / "run.json")


def test_an_answer_comes_back_from_its_worker(found: Run) -> None:
    for each in found.answers:
        assert _model.from_json(_model.to_json(each)) == each


def test_processes_are_put_together_as_groups() -> None:
    one, two = answer("q", series("a", 1.0, 2.0)), answer("q", series("a", 3.0), series("b", 4.0))
    together = _runner.merged([one, two])
    assert [(s.name, s.samples) for s in together.series] == [
        ("a", ((1.0, 2.0), (3.0,))),
        ("b", ((4.0,),)),
    ]
    assert together.curves == two.curves
    assert together.notes == one.notes


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "0.12 us"), (12.34, "12.3 us"), (1234.5, "1,234 us"), (-12.34, "-12.3 us")],
)
def test_figures_have_the_digits_that_count(value: float, text: str) -> None:
    assert _figures.figure(value, "us") == text


def test_the_table_says_it_all(found: Run) -> None:
    text = shown(found)
    assert re.search(r"core +2\.01 us +± 0 % +1\.00 x json\.loads", text)
    assert re.search(r"core, per event .* 1\.00 x .* at most 1\.1 x +pass", text)
    assert "failed: it <fell> | over" in text
    assert "not measured (startup)" in text
    assert "faster" not in text


def test_the_table_says_what_has_changed(found: Run) -> None:
    assert "50 % faster (99 % sure)" in shown(found, core(4.0))
    assert "new" in shown(found, core(4.0))
    assert "compared with the quick run of 2026" in shown(found, core(4.0))


def test_the_markdown_is_a_table(found: Run) -> None:
    text = _report.markdown(found)
    assert "| core | 2.01 us | ± 0 % | 1.00 x json.loads |" in text
    assert re.search(r"^\| core, per event .* \| at most 1.1 x \| pass \|$", text, re.MULTILINE)
    assert "This question was not answered" in text
    assert "As <it> is." in text


def _by_hand(flood: float, paced: float) -> Run:
    """A run whose client is so many times faster in a flood, and slower at a pace."""
    rounds = 10
    hand, client = "asyncio by hand, 50 x 40/s", "websockets, client, 50 x 40/s"
    return run(
        answer(
            "socket",
            series("asyncio by hand, json + pydantic", *([flood] * rounds)),
            series("websockets, client", *([1.0] * rounds)),
        ),
        answer(
            "paced",
            series(hand, *([1.0] * rounds)),
            series(client, *([paced] * rounds), base=hand),
        ),
    )


@pytest.mark.parametrize(
    ("flood", "paced", "said"),
    [
        (2.0, 1.2, ("is faster than", "2.00 times", "is slower than", "1.20 times")),
        (0.5, 0.9, ("is slower than", "0.50 times", "is faster than", "0.90 times")),
        (1.0, 1.0, ("is not measurably faster or slower than",)),
    ],
)
def test_the_report_begins_with_the_comparison_with_code_by_hand(
    flood: float, paced: float, said: tuple[str, ...]
) -> None:
    first, _, rest = _report.markdown(_by_hand(flood, paced)).partition("\n\n")
    assert all(each in first for each in said)
    assert rest.startswith("A quick run of")


def test_a_run_without_the_comparison_begins_with_its_machine(found: Run) -> None:
    assert _report.markdown(found).startswith("A quick run of")


def test_the_page_needs_nothing_but_itself(found: Run) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import _html

    text = _html.page(found, core(4.0))
    assert not re.search(r"(src|href)=\"(?!#)|@import|url\(http|<script|<link", text)
    assert text.count("<svg") == 4  # the budget, a curve of each question, the bars of one
    assert "<fell>" not in text
    assert "50 % faster" in text
    assert "a &lt;curve&gt;" in text or "<curve>" not in text


def test_the_status_is_what_a_script_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _model.save(core(2.0), Path("good.json"))
    _model.save(core(9.0), Path("over.json"))
    _model.save(run(answer("core", failure="no")), Path("failed.json"))
    statuses = {
        name: (
            _cli.main(["--from", f"{name}.json"]),
            _cli.main(["--strict", "--from", f"{name}.json"]),
        )
        for name in ("good", "over", "failed")
    }
    assert statuses == {"good": (0, 0), "over": (0, 1), "failed": (1, 1)}


def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert _cli.main(["nix"]) == 2
    assert "no such question: nix; available: decode, fold" in capsys.readouterr().err
    assert _cli.main(["--compare", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
