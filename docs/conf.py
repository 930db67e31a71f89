"""Sphinx configuration: `make docs` builds with every warning an error."""

from __future__ import annotations

import builtins
import enum
import functools
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import realtime_trio

project = "realtime_trio"
author = "the realtime_trio maintainers"
project_copyright = "2026, the realtime_trio maintainers"
release = version = realtime_trio.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxcontrib_trio",
]
# The benchmark report is included in the performance page.
exclude_patterns = ["_build", "newsfragments", "benchmark-report.md"]
myst_heading_anchors = 3

# Typographic quotes and ellipses; "--" is the start of an option, not a dash.
smartquotes_action = "qe"

html_theme = "furo"
html_title = f"realtime_trio {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).parent / "_tools" / "search_order.js")

# Copy programs and commands, without prompts, but not their output.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# A long signature has one parameter per line. Sphinx counts characters that readers do not see: the
# modules of the annotations.
python_maximum_signature_line_length = 150

# sphinxcontrib-trio builds on the class-based autodoc, which Sphinx 9 keeps behind this switch.
autodoc_use_legacy_class_based = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "class"

# The build does not use the network, so names of other libraries have no link target. This list has
# no public names of this library: a broken reference fails the build.
nitpick_ignore_regex = [
    (r"py:.*", r"(anyio|attrs?|cattrs|hypothesis|msgspec|trio)\..*"),
    # Imported for annotations only, so their modules are not known.
    (r"py:class", r"AbstractAsyncContextManager|CollectorRegistry|MeterProvider|TracerProvider"),
    (r"py:class", r"SearchStrategy"),
    # The entries of a log are opaque: a store keeps them and returns them as they are.
    (r"py:class", r"realtime_trio\._log\._log_entries\.\w+"),
    (r"py:.*", r"(collections|contextlib|datetime|enum|os|pathlib|random|types|typing|wave)\..*"),
    (r"py:.*", r"ssl(\..*)?"),
]

doctest_global_setup = """
import trio
import realtime_trio as rt
"""

# ---- one page for each name ----------------------------------------------------------------

# A class is defined in a private module and often has two public names: realtime_trio.Event is
# realtime_trio.events.Event. It is documented under one of them; references with another public
# name, and annotations with the private one, lead there.

_PUBLIC = ("", ".abc", ".events", ".audio", ".fleet", ".server", ".testing", ".aio", ".blocking")


@functools.cache
def _names() -> dict[str, list[str]]:
    """Return all public names of the same object for each dotted name. Called after autodoc has
    imported everything, including the imports that are for annotations only.
    """
    public: dict[int, list[str]] = {}
    homes: dict[str, int] = {}
    things: list[Any] = []  # kept alive, so that no id is reused
    for suffix in _PUBLIC:
        module = importlib.import_module(f"realtime_trio{suffix}")
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, ModuleType):
                continue
            things.append(thing)
            public.setdefault(id(thing), []).append(f"{module.__name__}.{name}")
            home = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', name)}"
            if not home.startswith("typing."):  # an alias of Literal is not all of Literal
                homes[home] = id(thing)
    names = {home: public[key] for home, key in homes.items()}
    return names | {name: all_ for all_ in public.values() for name in all_}


def _find(target: str) -> list[str]:
    """Return the names under which ``target``, or the member that it names, may be documented."""
    head, tail = target, ""
    while head:
        if head in _names():
            return [name + tail for name in _names()[head]]
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return []


_DOORS = ("aio", "blocking")


def _is_of_a_door(name: str) -> bool:
    return name.split(".")[1] in _DOORS


def _find_short(target: str, page: str) -> list[str]:
    """Return public names that end in ``target``: those of the page's door, else native ones."""
    door = page.rpartition("/")[2]
    found = [name for names in _names().values() for name in names if name.endswith(f".{target}")]
    own = [name for name in found if name == f"realtime_trio.{door}.{target}"]
    native = [name for name in found if not _is_of_a_door(name)]
    return own if door in _DOORS and own else native


def _is_type_variable(target: str) -> bool:
    module, _, name = target.rpartition(".")
    return isinstance(getattr(sys.modules.get(module), name, None), TypeVar)


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Any) -> Any:
    """Resolve a reference to the documented object; a type variable has no target."""
    if node.get("refdomain") != "py":
        return None
    target = str(node.get("reftarget", ""))
    domain = env.domains.python_domain
    for name in _find(target) if "." in target else _find_short(target, node["refdoc"]):
        if name in domain.objects:
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)
    return text if _is_type_variable(target) else None


def _leave_builtins_alone(app: Sphinx, doctree: Any) -> None:
    """Keep annotations such as ``type[T]`` from linking to an attribute of that name. A name that
    the doors also have is left to :func:`_find_short`.
    """
    mirrored = {name for names in _names().values() for name in names if _is_of_a_door(name)}
    ambiguous = {*dir(builtins), *(name.rpartition(".")[2] for name in mirrored)}
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py" and node.get("reftarget") in ambiguous:
            node.attributes.pop("refspecific", None)


_DOORS = ("realtime_trio.aio", "realtime_trio.blocking")


def _prefer_the_native_class(app: Sphinx, doctree: Any) -> None:
    """Link a bare class name in an annotation to the native class, not to its mirrors."""
    modules = [importlib.import_module(f"realtime_trio{suffix}") for suffix in _PUBLIC]
    for node in doctree.findall(pending_xref):
        target = str(node.get("reftarget", ""))
        if node.get("reftype") == "class" and node.get("py:module") not in _DOORS:
            for module in modules:
                if module.__name__ not in _DOORS and target in module.__all__:
                    node["reftarget"] = f"{module.__name__}.{target}"
                    node.attributes.pop("refspecific", None)
                    break


# A repr such as ``<function f>``; those of lambdas have another pair of brackets inside.
_REPR = re.compile(r"<(?:[^<>]|<[^<>]*>)*>")


def _shorten_defaults(
    app: Sphinx,
    what: str,
    name: str,
    thing: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Show a default without a notation (a function, a factory) as an ellipsis. Leave out the
    parameters of classes that nobody creates: protocols and enumerations.
    """
    if signature is None:
        return None
    if isinstance(thing, type) and (
        issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False)
    ):
        return "", None
    return _REPR.sub("...", re.sub(r"\bNOTHING\b", "...", signature)), returns


_modules_of_members: dict[tuple[str, str], str] = {}


def _link_members(app: Sphinx, doctree: Any) -> None:
    """Let viewcode find a member in the class that defines it, often a private base class. By
    itself it finds no properties either.
    """
    for node in doctree.findall(desc_signature):
        module, cls, member = node.get("module"), node.get("class"), node.get("fullname")
        if not (module and cls):
            continue
        owner = functools.reduce(getattr, cls.split("."), importlib.import_module(module))
        name = member.rpartition(".")[2]
        definer = next((base for base in owner.__mro__ if name in vars(base)), owner)
        node["fullname"] = f"{definer.__qualname__}.{name}"
        _modules_of_members[module, node["fullname"]] = definer.__module__


def _find_module_of_member(app: Sphinx, module: str, name: str) -> str | None:
    return _modules_of_members.get((module, name))


# Sections of the protocol's description, which is not part of these pages.
_SECTIONS = re.compile(r"\s*\((?:protocol(?:\.md)? )?§[^()]*\)")


def _leave_sections_out(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Drop references that no reader can follow; they may span lines."""
    lines[:] = _SECTIONS.sub("", "\n".join(lines)).split("\n")


def _list_modules_with_pages(app: Sphinx) -> list[Any]:
    """Keep modules without a source page, such as builtins, out of viewcode's list of modules."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


_BACK = re.compile(r'<a class="viewcode-back" href="[^"#]*#([^"]+)">[^<]*</a>')


def _link_back_to_documentation(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Leave out links from source to names without documentation, such as private classes."""
    if page.startswith("_modules/"):
        documented = app.env.domains.python_domain.objects
        context["body"] = _BACK.sub(
            lambda link: link[0] if link[1] in documented else "", context["body"]
        )


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _leave_sections_out)
    app.connect("missing-reference", _resolve)
    app.connect("doctree-read", _link_members, priority=400)
    app.connect("doctree-read", _leave_builtins_alone)
    app.connect("doctree-read", _prefer_the_native_class)
    app.connect("autodoc-process-signature", _shorten_defaults)
    app.connect("viewcode-follow-imported", _find_module_of_member)
    app.connect("html-page-context", _link_back_to_documentation)
    app.connect("html-collect-pages", _list_modules_with_pages, priority=400)
