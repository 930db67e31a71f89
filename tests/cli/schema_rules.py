"""Rules for changes of events: old recordings must stay readable."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

ADVICE = """\
The events have changed in a way that makes old recordings, or applications that were written
for them, unreadable:

{problems}

An event that was once sent must decode for ever. Instead of removing or renaming a field, keep
it; give a new field a default; widen a type, never narrow it; keep the old wire type as an alias
in the registry's row. Where the protocol itself has broken, say so in a news fragment
"removal", and only then freeze the new schemas:

    realtime-trio events --json-schema > tests/data/schemas.json
"""

REFRESH = """\
The events have grown in a compatible way, so nothing is broken; from now on this holds too.
Freeze it:

    realtime-trio events --json-schema > tests/data/schemas.json

and add a news fragment where users can see the difference.
"""


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """List what ``old``, schemas by event type, allows and ``new`` does not."""
    problems: list[str] = []
    for tag, before in old.items():
        if tag not in new:
            problems.append(f"{tag}: the event is gone")
            continue
        problems += [f"{tag}{path}" for path in _compare(before, new[tag], before, new[tag], ())]
    return problems


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def _compare(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, seen: tuple[str, ...]
) -> list[str]:
    name = old.get("$ref", "")
    if name in seen:
        return []
    seen = (*seen, name) if name else seen
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    gone = sorted(each for each in _accepted(old) if not _takes(_accepted(new), each))
    problems = [f": no longer accepts {', '.join(gone)}"] if gone else []
    if "items" in old and "items" in new:
        inner = _compare(old["items"], new["items"], old_root, new_root, seen)
        problems += [f"[]{problem}" for problem in inner]
    before, after = old.get("properties", {}), new.get("properties", {})
    for field, schema in before.items():
        if field not in after:
            problems.append(f".{field}: the field is gone")
            continue
        inner = _compare(schema, after[field], old_root, new_root, seen)
        problems += [f".{field}{problem}" for problem in inner]
    fresh = set(new.get("required", ())) - set(old.get("required", ()))
    problems += [f".{field}: the field has become required" for field in sorted(fresh)]
    return problems


def _takes(accepted: frozenset[str], kind: str) -> bool:
    """Return whether a kind of value is accepted; a constant may match by its type."""
    return kind in accepted or (kind.startswith("'") and "string" in accepted)


_ANY = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def _accepted(schema: Schema) -> frozenset[str]:
    """Return the kinds of values that a schema accepts: JSON types, or single constants."""
    if "const" in schema:
        return frozenset({repr(schema["const"])})
    if "enum" in schema:
        return frozenset(repr(value) for value in schema["enum"])
    if "type" in schema:
        kinds = schema["type"]
        found = frozenset([kinds] if isinstance(kinds, str) else kinds)
        return found | {"integer"} if "number" in found else found
    if "anyOf" in schema:
        return frozenset[str]().union(*(_accepted(each) for each in schema["anyOf"]))
    return frozenset({"object"}) if "$ref" in schema else _ANY
