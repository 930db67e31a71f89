"""Every example of the README and of ``docs/`` runs exactly as it stands there."""

from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio.cli import _app as app
from tests.examples import (
    ADDRESS,
    KINDS,
    PLACEHOLDER,
    Block,
    blocks_of,
    pages,
    run_excerpt,
    run_file,
    run_process,
    run_shell,
    run_tests,
)
from tests.source import ROOT

pytestmark = pytest.mark.usefixtures("no_types_of_examples")

PAGES = pages(ROOT)
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
README = ROOT / "README.md"
SOURCE = ROOT / "realtime_trio"
TESTING = ROOT / "docs" / "testing.md"
TOKEN = "any"
MOST_EXCERPTS = 4


def _of(kind: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind]


PROGRAMS = _of("python run")
EXCERPTS = _of("python excerpt")
TESTS = _of("python")
SHELL = [block for block in BLOCKS if block.kind == "sh run"]
COMMANDS = [
    (block, part.strip())
    for block in BLOCKS
    if block.kind in {"sh", "sh run"}
    for line in block.text.splitlines()
    for part in line.partition(">")[0].split("|")
    if part.strip().startswith("realtime-trio")
]


def labels(blocks: list[Block]) -> list[str]:
    return [block.label for block in blocks]


@pytest.mark.parametrize("program", PROGRAMS, ids=labels(PROGRAMS))
def test_a_program_runs_as_a_file_and_prints_what_its_page_says(
    program: Block, address: str, tmp_path: Path
) -> None:
    printed = run_file(program, address, tmp_path)
    if program.output is not None:
        assert printed == program.output


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=labels(EXCERPTS))
def test_an_excerpt_runs_inside_a_program(excerpt: Block, address: str) -> None:
    names = {"trio": trio, "rt": rt, "ev": ev, "url": address, "token": TOKEN}
    open_client = partial(rt.open_client, address, auth=TOKEN)
    printed = run_excerpt(excerpt, names, address, open_client)
    if excerpt.output is not None:
        assert printed == excerpt.output


@pytest.mark.parametrize("block", TESTS, ids=labels(TESTS))
def test_a_test_passes_in_a_project_with_the_settings_of_its_page(
    block: Block, tmp_path: Path
) -> None:
    (settings,) = [each.text for each in blocks_of(block.page) if each.kind == "toml"]
    done = run_tests(block, settings, tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("block", SHELL, ids=labels(SHELL))
def test_commands_run(block: Block, address: str, tmp_path: Path) -> None:
    done = run_shell(block, address, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("block", "command"), COMMANDS, ids=[f"{b.label}-{c.split()[1]}" for b, c in COMMANDS]
)
def test_a_command_line_is_understood(block: Block, command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    app._make_app(words[:1]).parse_args(words, exit_on_error=False, print_error=False)


# -- no example escapes --------------------------------------------------------------------


def test_every_block_of_python_has_one_of_the_kinds() -> None:
    python = [block for block in BLOCKS if block.kind.startswith("python")]
    assert python
    assert [block.label for block in python if block.kind not in KINDS] == []


def test_a_block_of_tests_is_on_the_page_on_testing() -> None:
    assert TESTS
    assert {block.page for block in TESTS} == {TESTING}
    assert all("def test_" in block.text for block in TESTS)


def test_a_program_for_devices_compiles() -> None:
    programs = _of("python hardware")
    assert programs
    for program in programs:
        program.compiled(ADDRESS)


def test_code_of_another_library_compiles_and_is_not_ours() -> None:
    sketches = _of("python sketch")
    assert sketches
    for sketch in sketches:
        sketch.compiled(ADDRESS)
        assert "realtime_trio" not in sketch.text


def test_excerpts_are_few() -> None:
    assert len(_of("python excerpt")) <= MOST_EXCERPTS


def test_pages_are_those_that_readers_get() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/testing.md", "docs/reference/client.md"} <= names
    assert not [name for name in names if "newsfragments" in name or "_build" in name]


# -- where things are ----------------------------------------------------------------------


def test_the_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
    assert "_rest/_tokens.py" in named
    assert [
        name for name in named if name != "realtime_trio/" and not (SOURCE / name).exists()
    ] == []


def test_every_picture_is_shown_and_has_a_description() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = re.findall(r"```\{figure\} \S*?pictures/(\S+)\n:figclass: \w+\n:alt: \w", text)
    pictures = ROOT / "docs" / "pictures"
    there = [path.relative_to(pictures).as_posix() for path in pictures.rglob("*.svg")]
    assert set(shown) == set(there)


# -- the harness can fail ------------------------------------------------------------------


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


def _run(excerpt: Block) -> str:
    return run_excerpt(excerpt, {"trio": trio}, "memory://here", _client)


def test_blocks_have_the_words_of_their_fence(page: Callable[[str], Path]) -> None:
    text = "'''python\na\n'''\n'''python run\nb\n'''\n'''sh run\nc\n'''\n'''\nd\n'''\n"
    assert [(block.kind, block.text) for block in blocks_of(page(text))] == [
        ("python", "a\n"),
        ("python run", "b\n"),
        ("sh run", "c\n"),
        ("", "d\n"),
    ]


def test_a_block_inside_a_longer_fence_is_text(page: Callable[[str], Path]) -> None:
    (block,) = blocks_of(page("````text\n'''python run\n1 / 0\n'''\n````\n"))
    assert block.kind == "text"


@pytest.mark.parametrize("kind", ["run", "excerpt"])
def test_a_failing_example_points_to_its_line_on_the_page(
    page: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    (block,) = blocks_of(page(f"# T\n\n'''python {kind}\nx = 1\ny = x / 0\n'''\n"))
    assert block.label == "page.md:4"
    with pytest.raises(ZeroDivisionError) as caught:
        _ = run_file(block, "", tmp_path) if kind == "run" else _run(block)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (Path(frame.filename).name, frame.lineno) == ("page.md", 5)


def test_an_indented_block_runs(page: Callable[[str], Path], tmp_path: Path) -> None:
    text = "- item\n\n  '''python run\n  if True:\n      print(1)\n  '''\n"
    (block,) = blocks_of(page(text))
    assert run_file(block, "", tmp_path) == "1\n"


def test_what_a_program_prints_is_on_its_page(page: Callable[[str], Path], tmp_path: Path) -> None:
    text = "'''python run\nprint(6 * 7)\n'''\n\n'''text output\n42\n'''\n"
    (block,) = blocks_of(page(text))
    assert block.output == "42\n"
    assert run_file(block, "", tmp_path) == block.output


@pytest.mark.parametrize("before", ["", "'''python run\n1\n'''\n\nwords\n\n", "'''sh\nls\n'''\n"])
def test_an_output_of_nothing_is_refused(page: Callable[[str], Path], before: str) -> None:
    with pytest.raises(ValueError, match="no program stands right before this output"):
        blocks_of(page(f"{before}'''text output\n42\n'''\n"))


@pytest.mark.parametrize("written", [PLACEHOLDER, ADDRESS, "http://127.0.0.1:1234"])
def test_an_address_is_that_of_the_server(
    page: Callable[[str], Path], tmp_path: Path, written: str
) -> None:
    (block,) = blocks_of(page(f"'''python run\nprint('{written}')\n'''\n"))
    assert run_file(block, "memory://here", tmp_path) == "memory://here\n"


def test_a_program_is_the_main_module_and_sees_nothing_else(
    page: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (
        "'''python run\nimport os, sys\nprint(sys.modules['__main__'].__dict__ is globals())\n"
        "print(os.getcwd())\ntrio\n'''\n"
    )
    (block,) = blocks_of(page(text))
    with pytest.raises(NameError, match="trio"):
        run_file(block, "", tmp_path)
    (block,) = blocks_of(page(text.replace("\ntrio\n", "\n")))
    assert run_file(block, "", tmp_path) == f"True\n{tmp_path}\n"


def test_await_may_stand_at_the_top_of_an_excerpt(page: Callable[[str], Path]) -> None:
    text = "'''python excerpt\nawait trio.lowlevel.checkpoint()\nprint('done')\n'''\n"
    (block,) = blocks_of(page(text))
    assert _run(block) == "done\n"


def test_an_excerpt_may_run_trio_itself(page: Callable[[str], Path]) -> None:
    text = "'''python excerpt\nasync def main():\n    print('in')\ntrio.run(main)\n'''\n"
    (block,) = blocks_of(page(text))
    assert _run(block) == "in\n"


@pytest.mark.parametrize("line", ["print(client)", "await trio.sleep(0); print(client)"])
def test_a_client_is_opened_for_an_excerpt_that_uses_one(
    page: Callable[[str], Path], line: str
) -> None:
    (block,) = blocks_of(page(f"'''python excerpt\n{line}\n'''\n"))
    assert _run(block) == "a client\n"


@pytest.mark.parametrize("line", ["client = 1", "def f(client): return client", "print(1)"])
def test_no_client_is_opened_for_an_excerpt_that_has_its_own(
    page: Callable[[str], Path], line: str
) -> None:
    (block,) = blocks_of(page(f"'''python excerpt\n{line}\n'''\n"))

    def refuse() -> object:
        raise AssertionError

    run_excerpt(block, {}, "", refuse)  # type: ignore[arg-type]


# -- the first page that anybody reads -----------------------------------------------------

TEXT = README.read_text(encoding="utf-8")


def test_the_readme_has_one_program_of_ten_lines() -> None:
    (program,) = [block for block in PROGRAMS if block.page == README]
    assert len([line for line in program.text.splitlines() if line.strip()]) <= 10
    assert TEXT.count("```python") == 1


def test_the_program_of_the_readme_runs_in_a_process_of_its_own(
    address: str, tmp_path: Path
) -> None:
    (program,) = [block for block in PROGRAMS if block.page == README]
    done = run_process(program, address, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "You said: What is entanglement?"


def test_the_readme_says_which_server_its_program_runs_against() -> None:
    assert "`realtime-trio serve`" in TEXT


def test_the_readme_has_two_set_up_commands_that_exist() -> None:
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert commands.splitlines() == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands.splitlines():
        assert f"\n{command.removeprefix('make ')}: " in makefile


def test_the_readme_leads_to_pages_that_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
