"""The reference has every public name, and the page of the command line every option."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from realtime_trio.cli import _app as app
from tests.source import PACKAGE, ROOT

PUBLIC = (
    *("", ".abc", ".aio", ".audio", ".blocking", ".events", ".fleet", ".instrument", ".server"),
    ".testing",
)
DOCS = ROOT / "docs"
_ENTRY = re.compile(
    r"^\.\. (?:autoclass|autofunction|py:data|py:type):: ([\w.]+)(?:\(.*\))?$", re.MULTILINE
)
_SECTION = re.compile(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"(?<!\w)--[a-z][a-z-]*")

# A bare name is one of the module of its page.
ENTRIES = [
    (page.name, name if "." in name else f"{PACKAGE}.{page.stem}.{name}")
    for page in sorted((DOCS / "reference").glob("*.md"))
    for name in _ENTRY.findall(page.read_text(encoding="utf-8"))
]


def _public() -> Iterator[tuple[str, object]]:
    for suffix in PUBLIC:
        module = importlib.import_module(f"{PACKAGE}{suffix}")
        for name in module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, ModuleType):
                yield f"{module.__name__}.{name}", thing


def _thing(dotted: str) -> object:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_public_subpackage_is_looked_at() -> None:
    root = importlib.import_module(PACKAGE)
    modules = {name for name in root.__all__ if isinstance(getattr(root, name), ModuleType)}
    assert {f".{name}" for name in modules} | {"", ".abc"} == set(PUBLIC)


def test_every_public_name_is_in_the_reference() -> None:
    """Under one of its names: some things are public in two modules."""
    documented = {id(_thing(name)) for _, name in ENTRIES}
    assert [name for name, thing in _public() if id(thing) not in documented] == []


def test_the_reference_has_public_names_only() -> None:
    public = {name for name, _ in _public()}
    assert [entry for entry in ENTRIES if entry[1] not in public] == []


def test_nothing_is_in_the_reference_twice() -> None:
    names = [name for _, name in ENTRIES]
    assert sorted(names) == sorted(set(names))
    things = [id(_thing(name)) for name in names]
    assert len(things) == len(set(things))


def test_every_page_of_the_reference_is_in_its_list() -> None:
    reference = DOCS / "reference"
    listed = re.findall(
        r"^([\w-]+)$", (reference / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted({page.stem for page in reference.glob("*.md")} - {"index"})


def test_no_reference_of_our_own_may_lead_nowhere() -> None:
    """What Sphinx is told to pass over are other libraries' names."""
    config = (DOCS / "conf.py").read_text(encoding="utf-8")
    ignored = re.findall(r'^    \(r"(py:\S*)", r"(.*)"\),$', config, re.MULTILINE)
    assert ignored
    for _, pattern in ignored:
        assert not re.fullmatch(pattern, f"{PACKAGE}.Client")
        assert not re.fullmatch(pattern, f"{PACKAGE}._client._client.Client")
        assert not re.fullmatch(pattern, "Client")
    assert "nitpick_ignore " not in config
    assert "suppress_warnings" not in config


# -- the command line ----------------------------------------------------------------------

COMMANDS = sorted(app._COMMANDS)  # pyright: ignore[reportPrivateUsage]
PAGE = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
SECTIONS = dict(_SECTION.findall(PAGE))


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(SECTIONS) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_section_names_the_options_of_its_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, and no others; the arguments stand in its example."""
    assert app.run([command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert set(_OPTION.findall(SECTIONS[command])) == set(_OPTION.findall(printed)) - {"--help"}
    assert f"realtime-trio {command}" in SECTIONS[command]
