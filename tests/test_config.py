"""The options: their defaults, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._lanes._pipeline import Pipeline

FIELDS = {field.name: field for field in attrs.fields(ClientConfig)}
NUMBERS = sorted(FIELDS.keys() - {"control", "text", "audio", "coalesce"})
OPTIONAL = {name for name in NUMBERS if "None" in str(FIELDS[name].type)}


def _make(**options: Any) -> ClientConfig:
    return ClientConfig(**options)


def test_the_defaults_that_the_documents_name() -> None:
    """Messages up to 64 MiB, 10 files of 10 MiB, lanes of tens of megabytes."""
    config = ClientConfig()
    assert config.max_message_size == 64 * 1024 * 1024
    assert (config.max_file_size, config.max_files) == (10 * 1024 * 1024, 10)
    assert (config.ping_interval, config.pong_timeout, config.turn_silence) == (30, 10, 300)
    for bounds in (config.control, config.text, config.audio):
        assert 10_000_000 < bounds.max_bytes < 100_000_000
    # A flood of 100,000 deltas fits (design.md, invariant 3).
    assert config.text.max_items > 100_000


def test_options_cannot_be_changed() -> None:
    """A client reads them when it likes."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ClientConfig().coalesce = False  # type: ignore[misc]


def test_every_option_is_explained() -> None:
    """In the docstring of the class."""
    assert ClientConfig.__doc__ is not None
    assert [name for name in FIELDS if f"``{name}``" not in ClientConfig.__doc__] == []


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, math.inf, math.nan, "3", None], ids=repr)
def test_a_number_out_of_its_range_is_refused_by_name(name: str, value: Any) -> None:
    """When the value is made, not when it is used."""
    if value is None and name in OPTIONAL:
        assert getattr(_make(**{name: None}), name) is None
        return
    with pytest.raises(ValueError, match=name):
        _make(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("batch_size", 33), ("backoff_jitter", 1.5)])
def test_a_number_may_have_an_upper_end(name: str, value: float) -> None:
    """The message says which."""
    with pytest.raises(ValueError, match=f"{name} must be from . to .*{value}"):
        _make(**{name: value})


def test_bounds_of_a_lane() -> None:
    """At least one of each."""
    for wrong in ({"max_items": 0}, {"max_bytes": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            LaneBounds(**wrong)


def test_the_bounds_of_the_state_reach_it() -> None:
    """From the options to the slice that keeps to them."""
    pipeline = Pipeline(ClientConfig(max_sessions=3, max_messages=7), clock=lambda: 0.0)
    limits = pipeline.state.text.rest.limits
    assert (limits.max_sessions, limits.max_messages) == (3, 7)
