"""The readers of scalars, alone: what they accept, inside and outside a lenient reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._leniency import lenient_decoding
from realtime_trio._core._scalars import read_boolean, read_session_id, read_time
from realtime_trio.events._json import Mismatch

Reader = Callable[[Any, Any], Any]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (read_boolean, True),
        (read_boolean, False),
        (read_session_id, "s"),
        (read_session_id, None),
        (read_time, "2026-11-29T09:00:00+00:00"),
        (read_time, None),
    ],
)
def test_a_well_typed_value_is_kept(read: Reader, value: object) -> None:
    assert read(value, object) is value


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (read_session_id, 12, "12"),
        (read_session_id, 12.0, "12"),
        (read_time, 12.5, "1970-01-01T00:00:12.500000+00:00"),
    ],
)
def test_a_number_is_converted_where_servers_use_them(
    read: Reader, value: object, result: str
) -> None:
    with lenient_decoding():
        assert read(value, object) == result
    with pytest.raises(Mismatch, match="expected string"):
        read(value, object)


REFUSED: dict[Reader, list[object]] = {
    read_boolean: [[], {}, 0.5, 1, "yes"],
    read_session_id: [[], {}, 0.5, True],
    read_time: [[], {}, True],
}


@pytest.mark.parametrize(
    ("read", "value"), [(read, value) for read, values in REFUSED.items() for value in values]
)
def test_no_other_value_is_guessed(read: Reader, value: object) -> None:
    with lenient_decoding(), pytest.raises(Mismatch):
        read(value, object)


def test_values_of_subclasses_are_written_as_their_json_types() -> None:
    class Text(str):
        __slots__ = ()

    class Count(int):
        pass

    class Share(float):
        pass

    meta = {"text": Text("a"), "count": Count(3), "share": Share(2.5)}
    written = Codec().encode(ev.SetSessionMetadataEvent(meta=meta))
    assert written == '{"type":"set_session_metadata","meta":{"text":"a","count":3,"share":2.5}}'
