"""The pictures of the terminal can be taken again, and show what they are said to."""

from __future__ import annotations

import html
import re

import attrs
import pytest

from docs._tools import pictures
from docs._tools.pictures import DIRECTORY, SCENES, Scene

NAMES = [scene.name for scene in SCENES]


def scene_of(name: str) -> Scene:
    return next(scene for scene in SCENES if scene.name == name)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("demo")])
def test_a_picture_can_be_taken_again(name: str) -> None:
    """The demo is left out: it takes several seconds of speech, and test_live runs it."""
    kept = (DIRECTORY / f"{name}.svg").read_text(encoding="utf-8")
    taken = pictures.picture(scene_of(name))
    words = [_words(drawn) for drawn in (kept, taken)]
    assert words[0] == words[1]


def _words(drawn: str) -> list[str]:
    """The words without numbers and generated names, which differ from run to run.

    Tools run side by side, so their order does too.
    """
    text = " ".join(pictures.texts(drawn))
    return sorted(re.findall(r"[A-Za-z_?:]{3,}", re.sub(r"\w+-\w+-\w+", "", text)))


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_shows_its_command_and_loads_nothing(name: str) -> None:
    drawn = (DIRECTORY / f"{name}.svg").read_text(encoding="utf-8")
    shown = html.unescape(" ".join(pictures.texts(drawn))).replace("\N{NO-BREAK SPACE}", " ")
    assert f"$ {scene_of(name).command}" in shown
    assert "url(http" not in drawn
    assert "@font-face" not in drawn
    assert not re.search(r"/tmp/|/root/|/home/", drawn)


def test_there_is_a_picture_for_each_scene() -> None:
    assert sorted(path.stem for path in DIRECTORY.iterdir()) == sorted(NAMES)


def test_a_scene_without_its_text_fails_with_the_screen() -> None:
    scene = attrs.evolve(scene_of("events"), shows="never shown")
    with pytest.raises(
        RuntimeError, match=r"(?s)expected 'never shown' on the screen:.*ErrorEvent"
    ):
        pictures.picture(scene)


def test_an_unknown_scene_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert pictures.main(["events", "nothing"]) == 2
    assert "no such picture: nothing; available: demo, " in capsys.readouterr().err
