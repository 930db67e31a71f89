"""Sphinx configuration: `make docs` builds with every warning an error."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads(
    (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "realtime_trio"
author = "the realtime_trio maintainers"
project_copyright = "2026, the realtime_trio maintainers"
release = version = _PROJECT["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinxcontrib_trio",
]
# The report of the benchmarks is part of their page.
exclude_patterns = ["_build", "newsfragments", "benchmark-report.md"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"realtime_trio {release}"

# sphinxcontrib-trio builds on the class-based autodoc, which Sphinx 9 keeps behind this switch.
autodoc_use_legacy_class_based = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "class"

# The build reads nothing from the network, so names of other libraries have no page to point to.
nitpick_ignore_regex = [
    (r"py:.*", r"(anyio|attrs?|cattrs|collections|httpx|msgspec|pathlib|trio|types)\..*"),
    # Docstrings name things by their public names; the pages show them where they are defined.
    (r"py:.*", r"realtime_trio\.([A-Z]\w+|testing)(\.\w+)*"),
]

doctest_global_setup = """
import trio
import realtime_trio as rt
"""
