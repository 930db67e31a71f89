"""``client.subscribe``, typed by the classes of the items."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from .._core._notifications import Notification
from .._lanes._overflow import Coalesce, Overflow
from .._lanes._pipeline import Pipeline
from .._lanes._subscription import Subscription

__all__ = ["Subscribes"]

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")


class Subscribes:
    """Subscribing by class, across lanes."""

    _pipeline: Pipeline

    @overload
    def subscribe(self, *, overflow: Overflow = ...) -> Subscription[Notification]: ...
    @overload
    def subscribe(self, c1: type[T1], /, *, overflow: Overflow = ...) -> Subscription[T1]: ...
    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2]: ...
    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3]: ...
    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], c4: type[T4], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3 | T4]: ...
    @overload
    def subscribe(
        self,
        c1: type[T1],
        c2: type[T2],
        c3: type[T3],
        c4: type[T4],
        c5: type[T5],
        /,
        *,
        overflow: Overflow = ...,
    ) -> Subscription[T1 | T2 | T3 | T4 | T5]: ...
    @overload
    def subscribe(self, *classes: type[T], overflow: Overflow = ...) -> Subscription[T]: ...
    def subscribe(
        self,
        *classes: type[Any],
        overflow: Overflow = Coalesce(),  # noqa: B008  frozen
    ) -> Subscription[Any]:
        """Subscribe to items of these classes, notifications and wire events alike, from now on.

        Without classes, all notifications. For up to five classes a type checker infers the union.
        Across lanes: control first, then audio, then text, never reordered within a lane. Raises
        ``TypeError`` for a class that is neither. After the client has ended, the subscription
        ends immediately.
        """
        return self._pipeline.subscribe(*classes, overflow=overflow)
