"""Every example of the README and of ``docs/`` that is marked so runs as it stands."""

from __future__ import annotations

import re
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio import events as ev
from tests.examples import PLACEHOLDER, Program, embedded_server, pages, programs_of, run
from tests.source import ROOT

PROGRAMS = [program for page in pages(ROOT) for program in programs_of(page)]
TOKEN = "any"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with embedded_server() as url:
        yield url


@pytest.mark.skipif(not PROGRAMS, reason="no page holds an executable example")
@pytest.mark.parametrize("program", PROGRAMS, ids=[program.label for program in PROGRAMS])
def test_an_example_runs_and_prints_what_its_page_says(program: Program, address: str) -> None:
    names = {"trio": trio, "rt": rt, "ev": ev, "url": address, "token": TOKEN}
    open_client = partial(rt.open_client, address, auth=TOKEN)
    printed = run(program, names, address, open_client)
    if program.output is not None:
        assert printed == program.output


# ---- the harness can fail ------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(text.replace("'''", "```"), encoding="utf-8")
        return path

    return write


@asynccontextmanager
async def _client() -> AsyncGenerator[str, None]:
    await trio.lowlevel.checkpoint()
    yield "a client"


def _run(program: Program) -> str:
    return run(program, {"trio": trio}, "memory://here", _client)


def test_only_marked_python_blocks_are_programs(page: Callable[[str], Path]) -> None:
    text = (
        "'''python\na\n'''\n'''python run\nb\n'''\n'''sh run\nc\n'''\n'''python running\nd\n'''\n"
    )
    assert [program.source.strip() for program in programs_of(page(text))] == ["b"]


def test_a_page_without_programs_gives_none(page: Callable[[str], Path]) -> None:
    assert programs_of(page("# Nothing\n\n'''python\n1\n'''\n")) == []


def test_a_block_inside_a_longer_fence_is_text(page: Callable[[str], Path]) -> None:
    assert programs_of(page("````text\n'''python run\n1 / 0\n'''\n````\n")) == []


def test_a_failing_example_points_to_its_line_on_the_page(page: Callable[[str], Path]) -> None:
    (program,) = programs_of(page("# T\n\n'''python run\nx = 1\ny = x / 0\n'''\n"))
    assert program.label == "page.md:4"
    with pytest.raises(ZeroDivisionError) as caught:
        _run(program)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (Path(frame.filename).name, frame.lineno) == ("page.md", 5)


def test_parts_of_one_name_are_one_program_on_their_own_lines(page: Callable[[str], Path]) -> None:
    first = "'''python run=a\nx = 20\n'''\n"
    other = "\nwords\n\n'''python run\nprint('other')\n'''\n"
    last = "\n'''python run=a\nprint(x + 1)\nraise KeyError\n'''\n"
    one, two = programs_of(page(first + other + last))
    assert _run(two) == "other\n"
    with pytest.raises(KeyError) as caught:
        _run(one)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 13


def test_an_indented_block_runs(page: Callable[[str], Path]) -> None:
    (program,) = programs_of(page("- item\n\n  '''python run\n  if True:\n      print(1)\n  '''\n"))
    assert _run(program) == "1\n"


def test_what_a_program_prints_is_on_its_page(page: Callable[[str], Path]) -> None:
    text = "'''python run\nprint(6 * 7)\n'''\n\n'''text output\n42\n'''\n"
    (program,) = programs_of(page(text))
    assert program.output == "42\n"
    assert _run(program) == program.output


@pytest.mark.parametrize("before", ["", "'''python run\n1\n'''\n\nwords\n\n"])
def test_an_output_of_nothing_is_refused(page: Callable[[str], Path], before: str) -> None:
    with pytest.raises(ValueError, match="no program stands right before this output"):
        programs_of(page(f"{before}'''text output\n42\n'''\n"))


def test_the_placeholder_is_the_address_of_the_server(page: Callable[[str], Path]) -> None:
    (program,) = programs_of(page(f"'''python run\nprint('{PLACEHOLDER}')\n'''\n"))
    assert _run(program) == "memory://here\n"


def test_await_may_stand_at_the_top(page: Callable[[str], Path]) -> None:
    text = "'''python run\nawait trio.lowlevel.checkpoint()\nprint('done')\n'''\n"
    (program,) = programs_of(page(text))
    assert _run(program) == "done\n"


def test_a_program_may_run_trio_itself(page: Callable[[str], Path]) -> None:
    text = "'''python run\nasync def main():\n    print('in')\ntrio.run(main)\n'''\n"
    (program,) = programs_of(page(text))
    assert _run(program) == "in\n"


@pytest.mark.parametrize("line", ["print(client)", "await trio.sleep(0); print(client)"])
def test_a_client_is_opened_for_a_block_that_uses_one(
    page: Callable[[str], Path], line: str
) -> None:
    (program,) = programs_of(page(f"'''python run\n{line}\n'''\n"))
    assert _run(program) == "a client\n"


@pytest.mark.parametrize("line", ["client = 1", "def f(client): return client", "print(1)"])
def test_no_client_is_opened_for_a_block_that_has_its_own(
    page: Callable[[str], Path], line: str
) -> None:
    (program,) = programs_of(page(f"'''python run\n{line}\n'''\n"))

    def refuse() -> object:
        raise AssertionError

    run(program, {}, "", refuse)  # type: ignore[arg-type]


# ---- the first page that anybody reads ----------------------------------------------------

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_one_program_of_ten_lines_that_runs() -> None:
    (program,) = [program for program in PROGRAMS if program.page == ROOT / "README.md"]
    assert len([line for line in program.source.splitlines() if line.strip()]) <= 10
    assert README.count("```python") == 1


def test_the_readme_has_two_set_up_commands_that_exist() -> None:
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert commands.splitlines() == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands.splitlines():
        assert f"\n{command.removeprefix('make ')}: " in makefile


def test_the_readme_leads_to_pages_that_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
