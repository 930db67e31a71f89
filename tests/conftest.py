"""What every test of the suite shares."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.source import PACKAGE, ROOT

# The package's own pytest plugin, loaded here and not by its entry point: see pyproject.toml.
pytest_plugins = (
    [f"{PACKAGE}.testing.plugin", "tests.example_fixtures"]
    if (ROOT / PACKAGE / "testing" / "plugin.py").exists()
    else []
)

# No deadline for an example: how fast this machine is today is no property of the code. A failure
# prints the blob that repeats it.
hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def no_handlers_of_other_tests() -> Iterator[None]:
    """A lane with custom handlers always runs as a task: those of a test end with the test."""
    yield
    fold = sys.modules.get(f"{PACKAGE}._handlers._fold")
    for handlers in () if fold is None else fold._CUSTOM.values():
        handlers.clear()
