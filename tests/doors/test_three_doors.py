"""One suite, three doors: ``behaviour.py`` through trio, asyncio and threads."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.doors import behaviour
from tests.doors.kits import Aio, Blocking, Native, read_without_async

BEHAVIOURS = [name for name, fn in vars(behaviour).items() if inspect.iscoroutinefunction(fn)]


@pytest.fixture(scope="module")
def without_async() -> ModuleType:
    return read_without_async(Path(behaviour.__file__))


@pytest.mark.parametrize("kit", [Native, Aio, Blocking], ids=lambda kit: kit.name)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(name: str, kit: Any, without_async: ModuleType) -> None:
    if kit is Blocking and name.endswith("cancelled"):
        pytest.skip("a thread is not cancelled: client.close() ends its waits")
    kit.run(getattr(without_async if kit is Blocking else behaviour, name), kit)
