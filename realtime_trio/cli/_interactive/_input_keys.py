"""The keys that a chat adds to those of prompt_toolkit, for emacs and vi alike."""

from __future__ import annotations

import abc

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition, emacs_insert_mode, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

__all__ = ["KeyTarget", "make_bindings"]


class KeyTarget(abc.ABC):
    """The target of the key bindings."""

    @abc.abstractmethod
    def typed(self, text: str) -> None:
        """Handle Enter after this text."""

    @abc.abstractmethod
    def pressed_interrupt(self) -> None:
        """Handle Ctrl-C."""

    @abc.abstractmethod
    def toggled(self) -> None:
        """Handle Ctrl-T."""

    @abc.abstractmethod
    def left(self) -> None:
        """Handle Ctrl-D when it has nothing to delete."""


@Condition
def _nothing_to_delete() -> bool:
    buffer = get_app().current_buffer
    return buffer.cursor_position == len(buffer.text)


def make_bindings(target: KeyTarget) -> KeyBindings:
    """Return the key bindings."""
    keys = KeyBindings()

    @keys.add("enter", filter=~is_searching)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion:
            buffer.complete_state = None  # the first Enter takes the completion
        elif buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        elif text := buffer.text.strip():
            buffer.append_to_history()
            buffer.reset()
            target.typed(text)

    @keys.add("escape", "enter", filter=emacs_insert_mode)
    def _line_break(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-c", filter=~is_searching)
    def _interrupt(_: KeyPressEvent) -> None:
        target.pressed_interrupt()

    @keys.add("c-d", filter=~is_searching & _nothing_to_delete)
    def _leave(_: KeyPressEvent) -> None:
        target.left()

    @keys.add("c-t", filter=~is_searching)
    def _toggle(_: KeyPressEvent) -> None:
        target.toggled()

    return keys
