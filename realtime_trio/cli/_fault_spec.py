"""Parse a fault of the command line or of a script: ``cut:after=3``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, cast, get_args

from ..server import CutHow, Faults
from ._command_error import CommandError

__all__ = ["FAULTS", "install_fault", "parse_fault"]

# The options of each fault; the name of the first one may be left out.
FAULTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cut": ("after", "how", "times"),
        "delay": ("seconds", "jitter", "types", "probability", "times"),
        "drop": ("types", "probability", "times"),
        "duplicate": ("types", "probability", "times"),
        "garble": ("types", "probability", "times"),
        "mute": ("after", "times"),
        "oversized": ("size", "types", "probability", "times"),
        "refuse": ("status", "times"),
        "reorder": ("types", "probability", "times"),
        "slow-drain": ("bytes_per_second",),
        "stall": ("seconds", "after", "times"),
    }
)
_NEEDED: Final = ("seconds", "bytes_per_second")


def _types(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split("+")
    return [str(each) for each in cast("Iterable[object]", value)]


def _how(value: object) -> str:
    if value not in get_args(CutHow):
        raise ValueError
    return str(value)


def _whole(value: object) -> int:
    number = int(str(value))
    if number < 0:
        raise ValueError
    return number


def _number(value: object) -> float:
    number = float(str(value))
    if not number >= 0:
        raise ValueError
    return number


_READ: Final[Mapping[str, tuple[str, Callable[[object], object]]]] = MappingProxyType(
    {
        "after": ("a number of frames", _whole),
        "bytes_per_second": ("a number", _number),
        "how": ("clean, abort or mid-frame", _how),
        "jitter": ("a number of seconds", _number),
        "probability": ("a number from 0 to 1", _number),
        "seconds": ("a number of seconds", _number),
        "size": ("a number of characters", _whole),
        "status": ("an HTTP status", _whole),
        "times": ("a whole number", _whole),
        "types": ("types of events, joined by +", _types),
    }
)


def parse_fault(spec: str) -> tuple[str, dict[str, object]]:
    """Parse ``NAME``, ``NAME:VALUE`` or ``NAME:KEY=VALUE,KEY=VALUE`` into name and options."""
    name, colon, rest = spec.partition(":")
    options: dict[str, object] = {}
    for position, part in enumerate(rest.split(",") if colon else ()):
        key, equals, value = part.partition("=")
        if equals:
            options[key.strip()] = value.strip()
        elif position == 0 and name in FAULTS:
            options[FAULTS[name][0]] = key.strip()
        else:
            message = f"--fault {spec}: {part!r} has no name; write NAME:KEY=VALUE,KEY=VALUE"
            raise CommandError(message)
    return name, options


def install_fault(faults: Faults, name: str, options: Mapping[str, object], where: str) -> None:
    """Install one fault. Raises :class:`CommandError`, whose message begins with ``where``."""
    if name not in FAULTS:
        message = f"{where}: no fault {name!r}; available: {', '.join(FAULTS)}"
        raise CommandError(message)
    read: dict[str, object] = {}
    for key, value in options.items():
        if key not in FAULTS[name]:
            message = f"{where}: {name} takes {', '.join(FAULTS[name])}, not {key!r}"
            raise CommandError(message)
        wanted, convert = _READ[key]
        try:
            read[key] = convert(value)
        except (TypeError, ValueError):
            message = f"{where}: {key} must be {wanted}, not {value!r}"
            raise CommandError(message) from None
    for needed in _NEEDED:
        if needed in FAULTS[name] and needed not in read:
            message = f"{where}: {name} needs {needed}, as in {name}:{needed}=1.5"
            raise CommandError(message)
    method: Callable[..., None] = getattr(faults, name.replace("-", "_"))
    method(**read)
