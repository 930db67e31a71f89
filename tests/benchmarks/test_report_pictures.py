"""The pictures of a benchmark report: drawn from its tables, and up to date in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report_pictures
from tests.source import ROOT

REPORT = ROOT / "docs" / "benchmark-report.md"
PICTURES = ROOT / "docs" / "pictures" / "benchmarks"

SMALL = """A quick run.

### Budget

| what | value | 95 % interval | limit |  |
| --- | ---: | ---: | ---: | ---: |
| core | 1.13 x | 1.11 to 1.17 | at most 1.7 x | pass |
| events | 2.00 x | 1.11 to 1.17 | at least 4 x | FAIL, close |

### Core: a frame to state

| core | median | spread | ratio |
| --- | ---: | ---: | ---: |
| a \\| b | 1,234 us | ± 10 % |  |
| core | 2.62 us |  | 1.13 x a \\| b |

A note.

### Decode: not drawn

| decode | median | spread | ratio |
| --- | ---: | ---: | ---: |
| json.loads | 2.32 us | ± 1 % |  |
"""


def test_tables_have_their_titles_and_cells() -> None:
    budget, core, decode = report_pictures.tables(SMALL)
    assert (budget.title, budget.name, len(budget.rows)) == ("Budget", "what", 2)
    assert core.rows == (
        ("a | b", "1,234 us", "± 10 %", ""),
        ("core", "2.62 us", "", "1.13 x a | b"),
    )
    assert decode.name == "decode"


def test_a_row_becomes_samples_with_its_median_and_quartiles() -> None:
    _, core, _ = report_pictures.tables(SMALL)
    base, other = report_pictures.answer_of(core).series
    assert (base.name, base.unit, base.base, base.median) == ("a | b", "us", None, 1234.0)
    assert base.samples[0][1] == pytest.approx(1234 * 0.9)
    assert base.samples[0][3] == pytest.approx(1234 * 1.1)
    assert (other.base, set(other.samples[0])) == ("a | b", {2.62})


def test_a_quartile_is_not_negative() -> None:
    _, core, _ = report_pictures.tables(SMALL.replace("± 10 %", "± 207 %"))
    (samples,) = report_pictures.answer_of(core).series[0].samples
    assert min(samples) == 0.0


def test_a_share_is_of_the_limit_in_either_direction() -> None:
    budget, *_ = report_pictures.tables(SMALL)
    core, events = (report_pictures.share_of(*row) for row in budget.rows)
    assert core.used == pytest.approx(1.13 / 1.7)
    assert core.held
    assert (events.used, events.held) == (2.0, False)
    assert events.text == "2.00 x (at least 4 x)"


def test_a_picture_names_its_numbers(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text(SMALL, encoding="utf-8")
    report_pictures.main([str(report), str(tmp_path / "drawn")])
    drawn = {path.name: path.read_text() for path in (tmp_path / "drawn").iterdir()}
    assert sorted(drawn) == ["budget.svg", "core.svg"]
    budget, core, _ = report_pictures.tables(SMALL)
    assert report_pictures.digest_of(drawn["budget.svg"]) == budget.digest
    assert report_pictures.digest_of(drawn["core.svg"]) == core.digest
    assert all(text.startswith("<?xml") and "<svg" in text for text in drawn.values())
    changed = SMALL.replace("2.62", "2.63")
    assert next(iter(report_pictures.draw(changed)))[1] == drawn["budget.svg"]
    assert dict(report_pictures.draw(changed))["core.svg"] != drawn["core.svg"]


@pytest.mark.parametrize("text", ["", "### Other\n\n| a |\n| --- |\n| 1 |\n"])
def test_a_text_without_tables_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a report with tables"):
        list(report_pictures.draw(text))


def test_a_unit_with_one_row_has_no_picture() -> None:
    alone = "### Fleet\n\n| fleet | median | spread | ratio |\n| --- | ---: | ---: | ---: |\n"
    rows = "| owned | 2.5 s |  |  |\n| open | 2.6 s |  |  |\n| memory | 143 KB |  |  |\n"
    assert [name for name, _ in report_pictures.draw(alone + rows)] == ["fleet.svg"]


def test_a_cell_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a number in the report, not 'fast'"):
        list(report_pictures.draw(SMALL.replace("1.13 x |", "fast |")))


def test_another_file_has_no_digest() -> None:
    with pytest.raises(ValueError, match="expected a picture of a benchmark report"):
        report_pictures.digest_of("<svg/>")


def test_the_pictures_of_the_docs_show_the_numbers_of_the_report() -> None:
    """``make plots`` draws them again after a new report."""
    drawn = dict(report_pictures.draw(REPORT.read_text(encoding="utf-8")))
    kept = {path.name: path.read_text(encoding="utf-8") for path in PICTURES.iterdir()}
    assert sorted(kept) == sorted(drawn)
    for name, text in drawn.items():
        digest = report_pictures.digest_of(text)
        assert report_pictures.digest_of(kept[name]) == digest, name
