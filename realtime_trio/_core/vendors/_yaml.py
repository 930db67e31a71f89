"""Parse the YAML subset of old delegation replies (protocol.md §8 S2).

Such a reply is one dumped mapping whose ``text`` is the agent's text, or a list of such mappings,
including thinking. These scalars need no YAML library. Anything that is not clearly such a mapping
is prose and must stay unchanged, so every function returns ``None`` if in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._unicode import valid_text

__all__ = ["yaml_blocks"]

_BLOCK = re.compile(
    r"(?P<style>[|>])(?P<chomp>[+-]?)(?P<indent>[1-9]?)(?P<chomp2>[+-]?)\s*(?:#.*)?$"
)
_SINGLE = re.compile(r"'(?P<body>[^']*(?:''[^']*)*)'\s*(?:#.*)?$")
_DOUBLE = re.compile(r'"(?P<body>[^"\\]*(?:\\.[^"\\]*)*)"\s*(?:#.*)?$', re.DOTALL)
# An escaped line break is removed, with the indentation after it.
_ESCAPE = re.compile(
    r"\\(?:(?P<hex>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|\n[ \t]*|(?P<name>.))"
)
_LAST_CODE = 0x10FFFF
_INDICATORS = tuple("[]{}&*!%@`,#")
_NO_KEY = (*_INDICATORS, " ", "\t", "-", "?", ":", "|", ">")
_NAMED = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
}
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def yaml_blocks(document: str) -> list[dict[str, str]] | None:
    """Convert a dumped mapping, or each mapping in a dumped list, to vendor blocks.

    Returns ``None`` if ``document`` is anything else, or if a mapping has no text.
    """
    lines = document.replace("\r\n", "\n").removesuffix("\n").split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip() not in ("", "---")), 0)
    lines = lines[start:]
    if "..." in lines:
        end = lines.index("...")
        if any(line.strip() for line in lines[end + 1 :]):
            return None
        lines = lines[:end]
    items = _items(lines) if lines and lines[0].startswith("- ") else [lines]
    blocks = [block for block in map(_block_of, items) if block is not None]
    return blocks if blocks and len(blocks) == len(items) else None


def _items(lines: Sequence[str]) -> list[list[str]]:
    """Return the items of a list of mappings, without dash and indentation."""
    items: list[list[str]] = []
    for line in lines:
        if line.startswith("- "):
            items.append([line[2:]])
        elif line.strip() and not line.startswith("  "):
            return []
        else:
            items[-1].append(line[2:])
    return items


def _block_of(lines: Sequence[str]) -> dict[str, str] | None:
    entries = _values_by_key(lines)
    if entries is None:
        return None
    kind = _value(entries, "type")
    if kind == "redacted_thinking":
        return {"type": kind}
    field = "thinking" if kind == "thinking" else "text"
    said = _value(entries, field)
    return None if said is None else {"type": field, field: said}


def _value(entries: dict[str, list[str]], name: str) -> str | None:
    value = entries.get(name)
    said = None if value is None else _scalar(value[0], value[1:])
    return None if said is None else valid_text(said)


def _values_by_key(lines: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the lines of each value by key; the first line is the rest of the key's line."""
    entries: dict[str, list[str]] = {}
    value: list[str] = []
    for line in lines:
        if _continues(line, value):
            value.append(line)
        elif not line.startswith("#"):
            entry = _entry(line)
            if entry is None:
                return None
            value = [entry[1]]
            entries[entry[0]] = value
    return entries


def _entry(line: str) -> tuple[str, str] | None:
    """Split a line such as ``key: value``."""
    key, colon, rest = line.partition(":")
    key = key.rstrip()
    if not (colon and key) or (rest and rest[0] != " ") or key[0] in _NO_KEY:
        return None
    if key[0] in "'\"":
        if len(key) < 3 or key[-1] != key[0]:
            return None
        key = key[1:-1]
    return key, rest.strip()


def _continues(line: str, value: list[str]) -> bool:
    """Whether ``line`` continues the previous value. A dumped list is not indented."""
    if not line.strip():
        return True
    return bool(value) and (line[0] == " " or (line.startswith("- ") and not value[0]))


def _scalar(first: str, rest: Sequence[str]) -> str | None:
    """Parse a scalar that starts with ``first`` and continues over the lines ``rest``."""
    if not first:
        later = "\n".join(rest).strip().split("\n")
        if _entry(later[0]) or later[0][:1] in ("|", ">", "-"):
            return None
        first, rest = later[0], later[1:]
    if first[:1] in ("|", ">"):
        return _block(first, rest)
    whole = "\n".join([first, *rest]).rstrip()
    return _quoted(whole) if first[:1] in ("'", '"') else _plain(whole)


def _plain(text: str) -> str | None:
    if text[:1] in _INDICATORS or re.search(r":(\s|$)|(^|\s)#", text):
        return None
    text = _join_lines(text)
    return None if text in _NULL else text


def _join_lines(text: str) -> str:
    """Join lines as in flow scalars: a break becomes a space, n empty lines become n breaks."""
    first, *later = text.split("\n")
    if not later:
        return first
    pieces, breaks = [first.rstrip(" \t")], 0
    for line in (*(line.strip(" \t") for line in later[:-1]), later[-1].lstrip(" \t")):
        breaks += 1
        if line:
            pieces += ["\n" * (breaks - 1) or " ", line]
            breaks = 0
    if breaks:
        pieces.append("\n" * (breaks - 1) or " ")
    return "".join(pieces)


def _quoted(text: str) -> str | None:
    single = text[0] == "'"
    found = (_SINGLE if single else _DOUBLE).match(text)
    if found is None:
        return None
    if single:
        return _join_lines(found["body"]).replace("''", "'")
    return _unescape(found["body"])


def _unescape(body: str) -> str | None:
    pieces: list[str] = []
    end = 0
    for found in _ESCAPE.finditer(body):
        pieces.append(_join_lines(body[end : found.start()]))
        end = found.end()
        code = found["hex"]
        if code is not None and int(code[1:], 16) <= _LAST_CODE:
            pieces.append(chr(int(code[1:], 16)))
        elif code is None and found["name"] in _NAMED:
            pieces.append(_NAMED[found["name"]])
        elif code is not None or found["name"] is not None:
            return None
    return "".join([*pieces, _join_lines(body[end:])])


def _block(header: str, lines: Sequence[str]) -> str | None:
    found = _BLOCK.match(header)
    if found is None:
        return None
    margin = int(found["indent"] or 0) or min(
        (len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0
    )
    body = [line[margin:] for line in lines]
    while body and not body[-1].strip():
        body.pop()
    text = "\n".join(body) if found["style"] == "|" else _folded(body)
    chomp = found["chomp"] or found["chomp2"]
    if chomp == "+":
        return text + "\n" * (len(lines) - len(body) + bool(body))
    return text + "\n" if body and not chomp else text


def _folded(lines: Sequence[str]) -> str:
    """Join the lines of a folded block; more deeply indented lines keep their breaks."""
    pieces: list[str] = []
    last, breaks = "", 0
    for line in lines:
        if line:
            loose = breaks == 0 or not last or " " in (last[0], line[0])
            pieces += ["\n" * breaks if loose else "\n" * (breaks - 1) or " ", line]
            last, breaks = line, 0
        breaks += 1
    return "".join(pieces)
