"""``realtime-trio --install-completion``: the Tab key of bash, zsh and fish."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from cyclopts.completion.detect import ShellDetectionError

from ._command_error import CommandError
from ._terminal_text import clean

__all__ = ["install_completion"]

# cyclopts extends fpath at the beginning of the startup file. That has no effect if the file never
# calls compinit, as the one of a new user.
_START_IN_ZSH: Final = """\
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
autoload -Uz {function} && compdef {function} realtime-trio
"""


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
        if output is None and path.name.startswith("_"):
            _start_in_zsh(path)
    except ShellDetectionError:
        message = "cannot tell which shell this is: pass --shell bash, zsh or fish"
        raise CommandError(message) from None
    except OSError as exc:
        message = f"cannot write {exc.filename}: {exc.strerror}"
        raise CommandError(message, status=1) from None
    print(f"wrote {clean(str(path))}; open a new terminal to use it")


def _start_in_zsh(script: Path) -> None:
    """Make the startup file of zsh load the script, if it is the file that names its directory."""
    startup = Path.home() / ".zshrc"
    if not startup.exists():
        return
    present = startup.read_text(encoding="utf-8", errors="surrogateescape")
    lines = _START_IN_ZSH.format(function=script.name)
    if str(script.parent) in present and lines not in present:
        with startup.open("a", encoding="utf-8") as file:
            file.write(lines)
