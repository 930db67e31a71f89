"""The tree of errors: what each derives from, what it carries, and that it survives a copy."""

from __future__ import annotations

import copy
import pickle

import pytest
import trio

from realtime_trio import _exceptions
from realtime_trio._exceptions import (
    ClosedError,
    ConnectionFailed,
    ConnectionLost,
    DecodeError,
    ProtocolError,
    RealtimeError,
)

CLASSES = [getattr(_exceptions, name) for name in _exceptions.__all__]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_public_and_of_one_family(cls: type[Exception]) -> None:
    assert issubclass(cls, RealtimeError)
    assert cls.__doc__


def test_the_list_of_names_is_complete() -> None:
    defined = {
        name
        for name, value in vars(_exceptions).items()
        if isinstance(value, type) and value.__module__ == _exceptions.__name__
    }
    assert defined == set(_exceptions.__all__)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    text = _exceptions.__doc__ or ""
    assert [name for name in _exceptions.__all__ if name not in text] == []


def test_using_a_closed_thing_is_what_trio_calls_it() -> None:
    with pytest.raises(trio.ClosedResourceError):
        raise ClosedError


def test_a_refused_upgrade_has_its_status_and_other_failures_none() -> None:
    assert ConnectionFailed("refused", status=403).status == 403
    assert ConnectionFailed("no route").status is None


@pytest.mark.parametrize(("code", "clean"), [(1000, True), (1001, False), (None, False)])
def test_only_code_1000_is_a_clean_goodbye(code: int | None, clean: bool) -> None:
    lost = ConnectionLost("the server closed the connection", code=code, reason="bye")
    assert (lost.clean, lost.code, lost.reason) == (clean, code, "bye")


def test_a_decode_error_tells_where_and_what() -> None:
    error = DecodeError("tool_call", "$.tool_calls[0].id", "str", "int")
    assert isinstance(error, ProtocolError)
    assert str(error) == "tool_call: expected str, got int at $.tool_calls[0].id"
    assert str(DecodeError(None, "$", "object", "list")) == "event: expected object, got list at $"


@pytest.mark.parametrize(
    "error",
    [
        DecodeError("error", "$.message", "str", "null"),
        ConnectionFailed("refused", status=403),
        ConnectionLost("lost", code=1001, reason="going away"),
    ],
)
def test_an_error_survives_a_copy_and_another_process(error: Exception) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))
