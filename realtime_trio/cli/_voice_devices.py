"""The source, the sink and the detector of a spoken conversation, from command-line options."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from .._exceptions import RealtimeError
from ..audio import (
    AudioSink,
    AudioSource,
    FileSink,
    FileSource,
    PipeSink,
    PipeSource,
    VadConfig,
    WavSink,
    open_microphone,
    open_speaker,
    open_wav,
    open_wav_sink,
)
from ..audio._extras import sounddevice
from ._command_error import CommandError

__all__ = ["check_output", "detector", "open_input", "open_output"]

_STDIN: Final = 0
_STDOUT: Final = 1


_OPTIONS: Final = {"threshold_db": "threshold", "minimum_dbfs": "minimum", "pre_roll": "pre-roll"}


def detector(**settings: float) -> VadConfig:
    """Return the options of the voice detector; raise :class:`CommandError` for an invalid one."""
    for name, value in settings.items():
        try:
            if not math.isfinite(value):
                raise ValueError
            VadConfig(**{name: value})  # type: ignore[arg-type]
        except ValueError:
            message = f"--vad-{_OPTIONS.get(name, name)} cannot be {value:g}"
            raise CommandError(message) from None
    return VadConfig(**settings)  # type: ignore[arg-type]


async def open_input(stack: AsyncExitStack, name: str) -> AudioSource:
    """Open "mic", "-" or a sound file. The stack closes it."""
    if name == "mic":
        return await stack.enter_async_context(open_microphone())
    if name == "-":
        if _is_pipe(_STDIN):
            stream = await stack.enter_async_context(trio.lowlevel.FdStream(os.dup(_STDIN)))
            return PipeSource(stream)
        return FileSource(stack.enter_context(os.fdopen(os.dup(_STDIN), "rb", buffering=0)))
    try:
        return stack.enter_context(open_wav(name))
    except OSError as exc:
        message = f"cannot read {name}: {exc.strerror or exc}"
    except RealtimeError as exc:
        message = str(exc)
    raise CommandError(message)


def check_output(name: str, *, source: str, overwrite: bool) -> None:
    """Reject early a name that :func:`open_output` cannot or must not open."""
    if name == "speaker":
        sounddevice()
    elif name != "-" and Path(name).exists():
        if source not in {"mic", "-"} and Path(source).exists() and Path(source).samefile(name):
            message = f"{name} cannot be both --input and --output"
            raise CommandError(message)
        if not overwrite:
            message = f"{name} already exists: choose another name, or pass --overwrite"
            raise CommandError(message)


async def open_output(stack: AsyncExitStack, name: str) -> AudioSink:
    """Open "speaker", "-" or a WAV file. The stack closes it."""
    if name == "speaker":
        return await stack.enter_async_context(open_speaker())
    if name == "-":
        if _is_pipe(_STDOUT):
            stream = await stack.enter_async_context(trio.lowlevel.FdStream(os.dup(_STDOUT)))
            return _Stdout(stream)
        return FileSink(stack.enter_context(os.fdopen(os.dup(_STDOUT), "wb", buffering=0)))
    return await stack.enter_async_context(_wav(name))


class _Stdout(PipeSink):
    """Standard output; its reader can close the pipe."""

    async def write(self, chunk: bytes) -> None:
        """Send a block. Raises ``BrokenPipeError`` if the reader has closed the pipe."""
        try:
            await super().write(chunk)
        except trio.BrokenResourceError as exc:
            raise BrokenPipeError from exc


@asynccontextmanager
async def _wav(name: str) -> AsyncGenerator[WavSink, None]:
    try:
        async with open_wav_sink(name) as sink:
            yield sink
    except OSError as exc:
        message = f"cannot write {name}: {exc.strerror or exc}"
        raise CommandError(message) from None


def _is_pipe(descriptor: int) -> bool:
    """Whether trio can wait for it without a thread."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
