"""Saving media: a server chooses the name and the content, never where they go."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import Media
from realtime_trio._core._media_file import file_name


def media(content: str | None = "hello", **fields: Any) -> Media:
    given: dict[str, Any] = {
        "id": "m1",
        "role": "assistant",
        "content_type": "text/plain",
        "content": content,
        "url": None,
        "name": None,
        "sent_by_class": None,
        "sent_by_function": None,
        "foreign_content": False,
    }
    return Media(**{**given, **fields})


@pytest.mark.parametrize(
    ("name", "content_type", "wanted"),
    [
        ("report.txt", "text/plain", "report.txt"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("/etc/cron.d/job", "text/plain", "job.txt"),
        ("..\\..\\evil.bat", "text/plain", "evil.bat"),
        ("C:\\x.md", "text/markdown", "x.md"),
        ("..", "text/plain", "media.txt"),
        (".bashrc", "text/plain", "bashrc.txt"),
        ("", "image/png", "media.png"),
        (None, "text/markdown; charset=utf-8", "media.md"),
        (None, "no/such-type", "media"),
        ("a\0b\x1b[31m.txt", "text/plain", "a_b__31m.txt"),
        ("con.txt", "text/plain", "_con.txt"),
        ("LPT1", "text/plain", "_LPT1.txt"),
        ("naïve été.svg", "image/svg+xml", "naïve été.svg"),
        ("x" * 500 + ".svg", "image/svg+xml", "x" * 116 + ".svg"),
        ("trailing. .", "text/plain", "trailing.txt"),
    ],
)
def test_a_name_is_made_safe(name: str | None, content_type: str, wanted: str) -> None:
    assert file_name(name, content_type) == wanted


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_name_leaves_its_directory(name: str, content_type: str) -> None:
    made = file_name(name, content_type)
    assert made == made.strip(" .")
    assert made
    assert PurePosixPath(made).name == made
    assert PureWindowsPath(made).name == made
    assert len(made.encode()) <= 140
    assert made.isprintable()


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    path = media("Grüße\n", name="a.txt").save(tmp_path)
    assert path == tmp_path / "a.txt"
    assert path.read_bytes() == "Grüße\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "fields",
    [
        {"content": base64.b64encode(b"\x89PNG").decode(), "content_type": "image/png"},
        {"content": None, "url": "data:image/png;base64,iVBORw==", "content_type": "image/png"},
        {"content": None, "url": "data:image/png,%89PNG", "content_type": "image/png"},
    ],
    ids=["base64", "data URL in base64", "data URL"],
)
def test_what_is_binary_is_decoded(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert media(**fields).save(tmp_path).read_bytes() == b"\x89PNG"


@pytest.mark.parametrize("content", ["not base64!", "é"])
def test_what_is_no_base64_is_kept_as_text(tmp_path: Path, content: str) -> None:
    path = media(content, content_type="image/png").save(tmp_path)
    assert path.read_text() == content


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    one = media("one", name="a.txt")
    assert [one.save(tmp_path).name for _ in range(3)] == ["a.txt", "a-2.txt", "a-3.txt"]


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    """Not one that leads to a file, and not one that leads nowhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.txt").symlink_to(outside / "kept")
    (inside / "a-2.txt").symlink_to(outside / "new")
    assert media("x", name="a.txt").save(inside).name == "a-3.txt"
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"kept": "kept"}


def test_its_size_is_limited(tmp_path: Path) -> None:
    """Counted after decoding."""
    with pytest.raises(ValueError, match=r"11 bytes; the limit is 10"):
        media("x" * 11).save(tmp_path, max_bytes=10)
    media("x" * 10).save(tmp_path, max_bytes=10)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"content": None, "url": "https://example.com/x.png"}, "fetch its url"),
        ({"content": None}, "no content"),
        ({"content": None, "url": "data:image/png;base64,a"}, "not valid base64"),
    ],
)
def test_what_cannot_be_saved_is_refused(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        media(**fields).save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.descriptor)

        def __init__(self, descriptor: int, _: str) -> None:
            self.descriptor = descriptor

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.open", Full)
    with pytest.raises(OSError, match="No space left"):
        media("x").save(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_full_of_the_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime_trio._core._media_file._TRIES", 3)
    for _ in range(2):
        media("x").save(tmp_path)
    with pytest.raises(FileExistsError, match="files like media"):
        media("x").save(tmp_path)
