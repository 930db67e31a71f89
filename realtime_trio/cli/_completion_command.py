"""``realtime-trio --install-completion``: the Tab key of bash, zsh and fish."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts.completion.detect import ShellDetectionError

from ._command_error import CommandError
from ._terminal_text import clean

__all__ = ["install_completion"]


def install_completion(
    *, shell: Literal["bash", "zsh", "fish"] | None = None, output: Path | None = None
) -> None:
    """Install completion for the shell: bash, zsh or fish.

    Parameters
    ----------
    shell
        The shell; by default the one that runs this.
    output
        Write the script to this file only, and leave the startup file of the shell alone.
    """
    from ._app import whole_app

    app = whole_app()
    try:
        path = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
    except ShellDetectionError:
        message = "cannot tell which shell this is: pass --shell bash, zsh or fish"
        raise CommandError(message) from None
    except OSError as exc:
        message = f"cannot write {exc.filename}: {exc.strerror}"
        raise CommandError(message, status=1) from None
    print(f"wrote {clean(str(path))}; open a new terminal to use it")
