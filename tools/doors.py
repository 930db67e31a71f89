"""Generate the classes of ``rt.aio`` and ``rt.blocking`` from the source of the native ones.
``python -m tools.doors`` writes them, ``tests/doors/test_generator.py`` compares them. Run it after
a change of a method, option or docstring of a native class. A new class that waits, or that such a
class returns, needs a line in :data:`~tools.door_tables.MODULES`.

General layout: ``door_source`` reads a native module, ``door_classes`` writes one class,
:func:`generate` puts a module together. ``door_dialects`` holds the differences of the two doors.
"""

from __future__ import annotations

import subprocess
import sys
from ast import get_docstring
from collections.abc import Iterator
from pathlib import Path

from .door_classes import ClassWriter, docstring
from .door_dialects import DIALECTS, Dialect
from .door_imports import Imports, signature
from .door_source import PACKAGE, ROOT, Source
from .door_tables import MODULES, PLACES, DoorModule

__all__ = ["generate", "main", "path_of"]


def _function(entry: tuple[str, str, str], dialect: Dialect, imports: Imports) -> Iterator[str]:
    """Write a function that opens something."""
    module, name, kind = entry
    source = Source(module)
    node = source.of_function(name)
    given = signature(node, source, imports, method=False)
    imports.add("contextlib", dialect.manager)
    imports.add(f"{PACKAGE}.{module}", name, f"native_{name}")
    imports.door(PLACES[kind], kind)
    imports.door("_opening", "opened")
    yield f"def {name}({given.parameters}) -> {dialect.manager}[{kind}]:"
    yield docstring(dialect.docstring(get_docstring(node, clean=False) or ""), 4)
    yield f"    return opened(native_{name}({given.arguments}), {kind})"
    yield ""


def generate(module: DoorModule, dialect: Dialect) -> str:
    """Return the text of one module, as the formatter gets it."""
    imports = Imports(module, dialect)
    body: list[str] = []
    for entry in module.classes:
        body += ["", "", *ClassWriter(entry, dialect, imports).write()]
    for function in module.functions:
        body += ["", "", *_function(function, dialect, imports)]
    names = sorted(
        [entry.name for entry in module.classes] + [name for _, name, _ in module.functions]
    )
    head = [
        f'"""{module.title}\n\nWritten by tools/doors.py: change the native classes instead.\n"""',
        "",
        "from __future__ import annotations",
        "",
        *imports.lines(),
        "",
        f"__all__ = {names!r}",
    ]
    return "\n".join([*head, *body]) + "\n"


def path_of(module: DoorModule, dialect: Dialect) -> Path:
    """Return where a module is checked in."""
    return ROOT / PACKAGE / dialect.package / f"{module.name}.py"


def main() -> None:
    """Write all modules, and format them."""
    paths: list[str] = []
    for dialect in DIALECTS:
        for module in MODULES:
            path = path_of(module, dialect)
            path.write_text(generate(module, dialect), encoding="utf-8")
            paths.append(str(path))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--select", "I,F401", "--fix", "-q", *paths], check=True)
    subprocess.run([*ruff, "format", "-q", *paths], check=True)


if __name__ == "__main__":
    main()
