"""One suite, three doors: the descriptions of behaviour through trio, asyncio and threads."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.doors import (
    api_behaviour,
    behaviour,
    fleet_behaviour,
    instrument_behaviour,
    journal_behaviour,
)
from tests.doors.kits import Aio, Blocking, Native, read_without_async

DESCRIPTIONS = (
    api_behaviour,
    behaviour,
    fleet_behaviour,
    instrument_behaviour,
    journal_behaviour,
)
BEHAVIOURS = [
    (module, name)
    for module in DESCRIPTIONS
    for name, fn in vars(module).items()
    if inspect.iscoroutinefunction(fn)
]


@pytest.fixture(scope="module")
def without_async() -> dict[ModuleType, ModuleType]:
    return {module: read_without_async(Path(str(module.__file__))) for module in DESCRIPTIONS}


@pytest.mark.parametrize("kit", [Native, Aio, Blocking], ids=lambda kit: kit.name)
@pytest.mark.parametrize(("module", "name"), BEHAVIOURS, ids=[name for _, name in BEHAVIOURS])
def test_behaviour(
    module: ModuleType, name: str, kit: Any, without_async: dict[ModuleType, ModuleType]
) -> None:
    if kit is Blocking and name.endswith("cancelled"):
        pytest.skip("a thread is not cancelled: client.close() ends its waits")
    kit.run(getattr(without_async[module] if kit is Blocking else module, name), kit)
