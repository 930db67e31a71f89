"""The pytest plugin: fixtures for testing an application that uses this library.

An ``async`` test that uses one of them runs under trio, whatever pytest's settings are. Other
async tests need pytest-trio's ``trio_mode = true`` or ``@pytest.mark.trio``.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

_complete: bool = True

if TYPE_CHECKING:
    from ._fixtures import realtime_client, realtime_server
else:
    try:
        from ._fixtures import realtime_client, realtime_server
    except ModuleNotFoundError as exc:
        # pytest loads the plugin if the library is installed, with or without the extra.
        if exc.name != "pytest_trio":
            raise
        _complete = False

        def _missing() -> NoReturn:
            pytest.fail("this fixture needs: pip install 'realtime-trio[testing]'", pytrace=False)

        @pytest.fixture
        def realtime_server() -> None:
            """Report the missing extra."""
            _missing()

        @pytest.fixture
        def realtime_client() -> None:
            """Report the missing extra."""
            _missing()


__all__ = ["realtime_client", "realtime_server"]

_FIXTURES: Final = frozenset({"realtime_client", "realtime_server"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let async tests that use the fixtures run under trio."""
    if not _complete:  # without pytest-trio there is no such mark
        return
    for item in items:
        if not isinstance(item, pytest.Function) or _FIXTURES.isdisjoint(item.fixturenames):
            continue
        # hypothesis wraps the test in a function that is not async
        inner: object = getattr(getattr(item.obj, "hypothesis", None), "inner_test", item.obj)
        if iscoroutinefunction(inner) and item.get_closest_marker("trio") is None:
            item.add_marker(pytest.mark.trio)
