"""The programs of the documentation that run on trio run through the other doors as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.translation import BOTH, NATIVE_ONLY, reason_against, translated
from tests.examples import Block, blocks_of, pages, run_file
from tests.source import ROOT

pytestmark = pytest.mark.usefixtures("no_types_of_examples")

PROGRAMS = [
    block
    for page in pages(ROOT)
    for block in blocks_of(page)
    if block.kind == "python run" and "import trio\n" in block.text
]
PAIRS = [
    (block, door) for block in PROGRAMS for door in BOTH if reason_against(block, door) is None
]


@pytest.mark.parametrize(
    ("block", "door"), PAIRS, ids=[f"{block.label}-{door}" for block, door in PAIRS]
)
def test_a_program_runs_through_another_door(
    block: Block, door: str, address: str, tmp_path: Path
) -> None:
    printed = run_file(translated(block, door), address, tmp_path)
    printed = printed.replace(f"<rt.{door}.", "<")  # the objects say whose they are
    if block.output is not None:
        assert printed == block.output


@pytest.mark.parametrize("place", NATIVE_ONLY)
def test_what_has_no_form_in_a_door_is_on_its_page(place: str) -> None:
    page, _, text = place.partition(": ")
    blocks = [b for p in pages(ROOT) if p.name == page for b in blocks_of(p)]
    assert any(text in block.text for block in blocks)


def test_nearly_all_programs_have_a_form_in_each_door() -> None:
    assert len(PROGRAMS) > 40
    assert len(PAIRS) >= 2 * len(PROGRAMS) - 10
