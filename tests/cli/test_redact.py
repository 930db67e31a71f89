"""``_redact``: it hides every secret and keeps everything else."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import _redact
from realtime_trio._redact import REDACTED, Redactor, redact, redact_frame, redact_text

SECRET = "s3cr3t-VALUE_77"
NAMES = [
    "token",
    "agent_c_token",
    "heygen_token",
    "access_token",
    "refresh_token",
    "accessToken",
    "password",
    "password_hash",
    "Authorization",
    "api_key",
    "client_secret",
]


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


JWTS = st.builds(
    lambda alg, sub, sig: f"{part({'alg': alg, 'typ': 'JWT'})}.{part({'sub': sub})}.{sig}",
    st.sampled_from(["HS256", "RS256", "none"]),
    st.text(max_size=12),
    st.text("abcXYZ012_-", max_size=43),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """``inner`` somewhere inside a JSON value."""
    return st.recursive(
        inner,
        lambda deeper: (
            st.lists(deeper | TEXT, min_size=1, max_size=3).flatmap(
                lambda items: deeper.map(lambda one: [*items, one])
            )
            | st.tuples(TEXT, deeper).map(lambda pair: {pair[0] + "!": pair[1]})
        ),
        max_leaves=4,
    )


# -- values --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_hides_a_secret_field_anywhere(name: str, data: st.DataObject) -> None:
    value = data.draw(nested(st.just({name: SECRET, "kept": "yes"})))
    clean = redact(value)
    assert SECRET not in json.dumps(clean)
    assert "yes" in json.dumps(clean)


def test_keeps_the_shape_of_a_secret_field() -> None:
    assert redact({"token": None, "password": True, "secret": {"a": [1, "x"]}, "api_key": 5}) == {
        "token": None,
        "password": True,
        "secret": {"a": [REDACTED, REDACTED]},
        "api_key": REDACTED,
    }


def test_keeps_token_counts() -> None:
    value = {"input_tokens": 5, "token_count": 7, "max_tokens": 9, "tokens": ["a"], "stop": "token"}
    assert redact(value) == value


# -- text ----------------------------------------------------------------------------------


@given(TEXT, JWTS, TEXT)
def test_hides_a_jwt_anywhere(before: str, jwt: str, after: str) -> None:
    header, payload, _ = jwt.split(".")
    for text in (f"{before} {jwt} {after}", f"x{jwt}", f"{before}\n{jwt}"):
        clean = redact_text(text)
        assert header not in clean
        assert len(payload) < 8 or payload not in clean


@pytest.mark.parametrize(
    "text",
    [
        f"wss://host/api/rt/ws?token={SECRET}&agent_key=x",
        f"wss://host/api/rt/ws?agent_key=x&token={SECRET}",
        f"/x?Token={SECRET}#top",
        f"wss://me:{SECRET}@host/x",
        f"Authorization: Bearer {SECRET}",
        f"authorization: {SECRET}",
        f'{{"Authorization": "Bearer {SECRET}"}}',
        f"headers: bearer {SECRET}",
        f'say {{"access_token": "{SECRET}", "x": 1}}',
        f'{{\\"access_token\\": \\"{SECRET}\\"}}',
        f"{{'password_hash': '{SECRET}'}}",
        f'"agent_c_token" : "{SECRET}',
        f"curl -H 'Authorization: Bearer {SECRET}' x",
        f"login?password={SECRET}",
    ],
)
def test_hides_a_secret_in_text(text: str) -> None:
    clean = redact_text(text)
    assert SECRET not in clean
    assert REDACTED in clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "the token ring, a bearer of news, the secret of it all",
        "wss://host/api/rt/ws?agent_key=x&token=<redacted>",
        "keyJar.open.now",
        "mail me@example.com, see https://example.com/a?b=c",
        'x = {"tokens": 5}',
        "",
    ],
)
def test_keeps_text_without_secrets(text: str) -> None:
    assert redact_text(text) == text


@given(TEXT)
def test_redacts_idempotently(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize(
    "piece", ["eyJ", "?token", "://", '"token":"', "bearer ", "a.eyJabcdefgh", "\\"]
)
def test_redacts_hostile_text_in_linear_time(piece: str) -> None:
    redact_text(piece * (200_000 // len(piece)))  # quadratic time would not end here


# -- frames --------------------------------------------------------------------------------


def test_keeps_a_frame_without_secrets_byte_for_byte() -> None:
    for text in (
        '{"type": "text_delta",  "content": "caf\\u00e9 \\ud83d\\ude00"}',
        '{"type":"completion","input_tokens":1.0,"token_count":5}',
        "not json, no secret",
        "",
    ):
        assert redact_frame(text) == text


@given(st.sampled_from(NAMES), TEXT)
def test_finds_secrets_behind_escapes(name: str, content: str) -> None:
    hidden = "".join(f"\\u{ord(char):04x}" for char in name)
    frame = f'{{"type":"x","{hidden}":"{SECRET}","content":{json.dumps(content)}}}'
    clean = json.loads(redact_frame(frame))
    assert clean[name] == REDACTED
    assert clean["content"] == redact_text(content)


@given(JWTS, st.booleans())
def test_hides_a_jwt_in_a_frame(jwt: str, ascii_only: bool) -> None:
    inner = json.dumps({"arguments": jwt})
    frame = json.dumps(
        {"type": "tool_call", "é": f"see {jwt}", "input": inner}, ensure_ascii=ascii_only
    )
    clean = redact_frame(frame)
    assert jwt.split(".")[0] not in clean
    json.loads(clean)


def test_searches_invalid_json_as_text() -> None:
    for frame in (
        f'{{"access_token": "{SECRET}"',
        f"[{{'token': '{SECRET}'}}]",
        f'{{"a": NaN, "token": "{SECRET}"}}',
        f'{{"token": "{SECRET}", "token": null}}',
        '{"a":' * 100_000 + f'"token": "{SECRET}"',
    ):
        assert SECRET not in redact_frame(frame)


@given(nested(st.just({"heygen_token": SECRET})))
def test_a_redacted_frame_can_still_be_read(value: Any) -> None:
    assert json.loads(redact_frame(json.dumps(value))) == redact(value)


# -- values that are told ------------------------------------------------------------------

VALUE = "opaque/t+k n%é\\x"


def telling(*values: str) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.hide(value)
    return redactor


def escaped(value: str, depth: int) -> str:
    for _ in range(depth):
        value = json.dumps(value)[1:-1]
    return value


FORMS = {
    "itself": VALUE,
    "json": escaped(VALUE, 1),
    "json in json": escaped(VALUE, 2),
    "json in json in json": escaped(VALUE, 3),
    "not ascii json": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "slashes escaped": escaped(VALUE, 1).replace("/", "\\/"),
    "all escaped": "".join(f"\\u{ord(char):04x}" for char in VALUE),
    "all escaped twice": "".join(f"\\\\u{ord(char):04X}" for char in VALUE),
    "url": quote(VALUE, safe=""),
    "query": quote_plus(VALUE),
    "lower": re.sub("%..", lambda found: found[0].lower(), quote(VALUE, safe="")),
    "all percent": "".join(f"%{byte:02X}" for byte in VALUE.encode()),
    "url in url": quote(quote(VALUE, safe=""), safe=""),
    "url in json": escaped(quote(VALUE, safe=""), 1),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("a ", " b"), ("\n", "\n"), ("é", "é")])
def test_finds_a_value_in_every_form(form: str, before: str, after: str) -> None:
    """In text, and in a frame that stays readable."""
    redactor = telling("another value", VALUE)
    assert redactor.text(before + form + after) == f"{before}{REDACTED}{after}"
    frame = json.dumps({"type": "x", "content": before + form + after, "n": [1.5, None]})
    clean = {"type": "x", "content": f"{before}{REDACTED}{after}", "n": [1.5, None]}
    assert json.loads(redactor.frame(frame)) == clean


def test_finds_values_in_names_numbers_and_bytes() -> None:
    redactor = telling("12345678", "secretive")
    value = {"my secretive": 12345678, "n": [123456789, True, 7]}
    assert redactor.value(value) == {f"my {REDACTED}": REDACTED, "n": [REDACTED, True, 7]}
    assert json.loads(redactor.frame(json.dumps(value))) == redactor.value(value)
    assert redactor.data(b"a secretive b") == b"a " + bytes(9) + b" b"
    assert redactor.data(b"nothing") == b"nothing"


def test_keeps_a_frame_without_the_value_byte_for_byte() -> None:
    redactor = telling(VALUE, "secretive")
    for text in ('{"a":  "\\n%41\\u0041"}', "secretiv", "%", "\\", "%zz \\\\\\", "opaque/t+k n%"):
        assert redactor.frame(text) == text


def test_ignores_short_values_and_forgets_old_ones() -> None:
    redactor = telling("any", "token", *(f"value-{n:04}" for n in range(40)))
    assert redactor.text("any of a kind") == "any of a kind"
    assert redactor.text("value-0039 value-0008") == f"{REDACTED} {REDACTED}"
    assert redactor.text("value-0007") == "value-0007"


def test_replaces_the_longer_value_first() -> None:
    redactor = telling("abcdefgh", "abcdefgh-ijkl", "fgh-ij")
    assert redactor.text("x abcdefgh-ijkl abcdefgh y") == f"x {REDACTED} {REDACTED} y"
    assert redactor.text("abcdefgh%2dijkl") == REDACTED


@given(
    st.text(st.sampled_from('ab\\%25u0"/'), max_size=60), st.sampled_from(["aab\\b%25", "ababab"])
)
def test_a_value_never_gets_through(text: str, value: str) -> None:
    """The rest of the text does not contain it either, wherever its escapes begin and end."""
    redactor = telling(value)
    for whole in (text + value + text, text + escaped(value, 1) + text):
        clean = redactor.text(whole)
        assert value not in clean
        assert escaped(value, 1) not in clean
        assert redactor.text(clean) == clean


def test_finds_a_value_at_the_edges_of_a_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large text is searched in chunks."""
    monkeypatch.setattr(_redact, "_WINDOW", 100)
    redactor = telling("opaque-value")
    for form in ("opaque-value", "%6fpaque-value", "\\u006fpaque\\u002dvalue"):
        for at in range(80, 130):
            text = "\\n" + "x" * at + form + "y" * 250 + form + "%41"
            clean = "\\n" + "x" * at + REDACTED + "y" * 250 + REDACTED + "%41"
            assert redactor.text(text) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('"token":"a\\"b" c', f'"token":"{REDACTED}" c'),
        ('"token":"a\\\\" c', f'"token":"{REDACTED}" c'),
        ('\\"token\\":\\"a\\\\\\"b\\" c', f'\\"token\\":\\"{REDACTED}\\" c'),
        ('\\"token\\":\\"a\\\\\\\\\\" c', f'\\"token\\":\\"{REDACTED}\\" c'),
        ('{\\"token\\":\\"a" c', f'{{\\"token\\":\\"{REDACTED}" c'),
        (
            '\\\\\\"token\\\\\\":\\\\\\"a\\\\\\" c',
            f'\\\\\\"token\\\\\\":\\\\\\"{REDACTED}\\\\\\" c',
        ),
        ('\\"token\\": 12.5e3, c', f'\\"token\\": \\"{REDACTED}\\", c'),
        ("'token':'a' c", f"'token':'{REDACTED}' c"),
        ('\\\\"token": "a" c', f'\\\\"token": "{REDACTED}" c'),
        ('"token": "a', f'"token": "{REDACTED}'),
    ],
)
def test_a_field_ends_where_its_string_ends(text: str, clean: str) -> None:
    """An escaped quote belongs to the value, at any level of nesting."""
    assert redact_text(text) == clean
    assert redact_text(clean) == clean
