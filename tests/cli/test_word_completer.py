"""The words that a chat completes. The names of files follow the rules of a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from realtime_trio.cli._interactive._word_completer import WordCompleter, Words

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)


def completed(typed: str, words: Words | None = None) -> list[str]:
    """Return the line after each possible completion."""
    completer = WordCompleter()
    completer.words = words or Words()
    found = completer.get_completions(Document(typed, len(typed)), CompleteEvent())
    return [typed[: len(typed) + each.start_position] + each.text for each in found]


@given(name=NAMES)
def test_completes_any_file_name_to_one_word(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    directory = tmp_path_factory.mktemp("files")
    (directory / name).touch()
    (line,) = completed(f"/upload other {directory}/")
    assert shlex.split(line) == ["/upload", "other", f"{directory}/{name}"]


@pytest.mark.parametrize("begun", [r"my\ n", "'my n", '"my n', r"my\ new\ ", r"'my'\ ne", "my\\"])
def test_completes_a_name_however_it_is_quoted(tmp_path: Path, begun: str) -> None:
    (tmp_path / "my new map.svg").touch()
    typed = f"/upload {begun}".replace("my", f"{tmp_path}/my")
    assert completed(typed) == [rf"/upload {tmp_path}/my\ new\ map.svg"]


def test_completes_the_directory_to_save_media_in(tmp_path: Path) -> None:
    """It is the rest of the line, so a space in it has no backslash."""
    (tmp_path / "my maps").mkdir()
    for command in ("/save", "/save 1", "/save all"):
        assert completed(f"{command} {tmp_path}/my m") == [f"{command} {tmp_path}/my maps"]


def test_completes_what_a_command_takes() -> None:
    words = Words(
        agents={"helper": "Helper"}, voices={"ash": "calm"}, sessions={"s1": "Rome", "s2": ""}
    )
    for typed, lines in (
        ("hel", []),
        ("/vo", ["/voice"]),
        ("/agent H", ["/agent helper"]),
        ("/new ", ["/new helper"]),
        ("/voice calm", ["/voice ash"]),
        ("/resume rom", ["/resume s1"]),
        ("/delete s", ["/delete s1", "/delete s2"]),
        ("/rename s", []),
    ):
        assert completed(typed, words) == lines
