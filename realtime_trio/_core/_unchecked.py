"""Constructors that skip the checks of a frozen attrs class, for values known to be valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ParamSpec, TypeVar, cast

import attrs

__all__ = ["constructor_from_wire", "unchecked_constructor"]

C = TypeVar("C")
P = ParamSpec("P")


def unchecked_constructor(cls: Callable[P, C]) -> Callable[P, C]:
    """Return a function that creates a frozen attrs class faster than its constructor.

    The constructor of a frozen class goes through ``object.__setattr__`` for every field, which
    takes much longer than a plain assignment. The returned function fills an instance of an
    unfrozen subclass and then sets its class. Its source is generated from the fields of the class
    and their defaults, so no field can be missed.

    It runs no validators and no converters: use it only with validated values. Raises ``TypeError``
    for a class with a default factory.
    """
    made = cast("type[attrs.AttrsInstance]", cls)
    fields = attrs.fields(made)
    if any(isinstance(field.default, attrs.Factory) for field in fields):  # type: ignore[arg-type]
        message = f"{made.__name__} has a default factory, which this constructor does not call"
        raise TypeError(message)
    parameters = [
        field.name if field.default is attrs.NOTHING else f"{field.name}=defaults[{field.name!r}]"
        for field in sorted(fields, key=lambda field: field.default is not attrs.NOTHING)
    ]
    scope: dict[str, object] = {"defaults": {field.name: field.default for field in fields}}
    values = {field.name: field.name for field in fields}
    make = _compiled(made, ", ".join(parameters), values, scope)
    return cast("Callable[P, C]", make)


def constructor_from_wire(
    cls: type[C], conversions: Mapping[str, Callable[[object], object]] = MappingProxyType({})
) -> Callable[[object], C]:
    """Return a function that creates a frozen attrs class from an object with its attributes.

    It works like :func:`unchecked_constructor`, but takes the values from one object. A function in
    ``conversions`` converts the attribute with its name.
    """
    made = cast("type[attrs.AttrsInstance]", cls)
    values = {
        field.name: f"convert_{field.name}(wire.{field.name})"
        if field.name in conversions
        else f"wire.{field.name}"
        for field in attrs.fields(made)
    }
    scope: dict[str, object] = {f"convert_{name}": each for name, each in conversions.items()}
    return cast("Callable[[object], C]", _compiled(made, "wire", values, scope))


def _compiled(
    cls: type[attrs.AttrsInstance],
    parameters: str,
    values: Mapping[str, str],
    scope: dict[str, object],
) -> object:
    """Compile a function that fills an unfrozen instance and then sets its class.

    ``values`` holds an expression for each field.
    """
    unfrozen = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    scope |= {"cls": cls, "Draft": type(f"{cls.__name__}Draft", (cls,), unfrozen)}
    lines = [
        f"def make({parameters}):",
        " draft = Draft()",
        *(f" draft.{name} = {value}" for name, value in values.items()),
        " draft.__class__ = cls",
        " return draft",
    ]
    exec("\n".join(lines), scope)
    return scope["make"]
