"""What holds the repository together: packaging, the two commands, the news, the dependencies."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import realtime_trio
from tests.source import PACKAGE, ROOT, Module, read_modules

with (ROOT / "pyproject.toml").open("rb") as file:
    CONFIG = tomllib.load(file)
PROJECT = CONFIG["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# What a user installs; the other extras are for work on the library.
USER_EXTRAS = ("audio", "bench", "cli", "fast", "otel", "prometheus", "redis", "testing", "zstd")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
KINDS = {kind["directory"] for kind in CONFIG["tool"]["towncrier"]["type"]}


# -- dependencies --------------------------------------------------------------------------


def _name(requirement: str) -> str:
    """Give the package of a requirement, in its normal form."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _packages(requirements: Iterable[str]) -> set[str]:
    return {_name(requirement) for requirement in requirements} - {PROJECT["name"]}


def _foreign_imports(modules: list[Module]) -> set[str]:
    """Name the top-level packages that are imported and are neither ours nor Python's."""
    found = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {PACKAGE}


def undeclared(modules: list[Module], declared: set[str]) -> list[str]:
    """List the imported packages that no requirement names; one that came along may leave again."""
    homes = packages_distributions()
    return sorted(
        name
        for name in _foreign_imports(modules)
        if not {_name(home) for home in homes.get(name, [name])} & declared
    )


def test_what_the_package_imports_is_declared() -> None:
    extras = [requirement for extra in USER_EXTRAS for requirement in EXTRAS[extra]]
    assert undeclared(read_modules(), _packages([*PROJECT["dependencies"], *extras])) == []


def test_an_undeclared_import_is_found() -> None:
    text = "import trio\nimport json\nfrom rich.table import Table\nfrom . import x\n"
    assert undeclared([Module(name="m", text=text)], {"trio"}) == ["rich"]


def test_every_dependency_says_why_it_is_there() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|(?: `(\w+)` \|)? ([\w, -]+?) \| [^|]{10,} \|$", page, re.MULTILINE)
    explained = {(extra, name) for extra, names in rows for name in names.split(", ")}
    declared = {("", name) for name in _packages(PROJECT["dependencies"])} | {
        (extra, name) for extra in EXTRAS for name in _packages(EXTRAS[extra])
    }
    assert explained == declared


# -- packaging -----------------------------------------------------------------------------


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / PACKAGE / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]


@pytest.mark.parametrize("name", [m.name for m in read_modules() if "__main__" not in m.name])
def test_a_module_can_be_imported_whatever_the_machine_lacks(name: str) -> None:
    # The modules for a microphone too, on a machine without sound: such things are looked for late.
    assert import_module(name).__name__ == name


def test_the_pytest_plugin_is_offered_where_there_is_one() -> None:
    offered = PROJECT.get("entry-points", {}).get("pytest11", {})
    name = f"{PACKAGE}.testing.plugin"
    exists = (ROOT / PACKAGE / "testing" / "plugin.py").exists()
    assert offered == ({PACKAGE: name} if exists else {})


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution and the wheel."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return directory


def test_the_source_distribution_is_complete_and_has_no_key(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        texts = [archive.extractfile(m) for m in archive.getmembers() if m.isfile()]
        keys = [f for f in texts if f and b"-----BEGIN " + b"PRIVATE KEY" in f.read()]
    expected = [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "docs/index.md",
    ]
    assert [name for name in expected if name not in names] == []
    assert keys == []
    assert [name for name in names if name.endswith((".pem", ".key"))] == []


def test_the_wheel_shows_a_readme_whose_links_work_on_pypi(distributions: Path) -> None:
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert f"{PACKAGE}/py.typed" in names
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_repository_has_what_a_contributor_looks_for() -> None:
    expected = [
        "CONTRIBUTING.md",
        "CODE_OF_CONDUCT.md",
        "LICENSE",
        ".pre-commit-config.yaml",
        ".readthedocs.yaml",
        ".github/PULL_REQUEST_TEMPLATE.md",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
    ]
    assert [name for name in expected if not (ROOT / name).exists()] == []
    assert {"Documentation", "Source", "Issues", "Changelog"} <= set(PROJECT["urls"])
    assert PROJECT["authors"]


# -- the commands --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["demo", "test", "test-lowest", "check", "bench", "bench-peers", "docs", "dist", "clean"],
)
def test_make_has_the_target_and_tells_of_it(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    assert f"@echo 'make {target} " in MAKEFILE
    assert re.search(rf"^\.PHONY:.* {target}\b", MAKEFILE, re.MULTILINE)


def test_make_uses_only_what_3_81_has() -> None:
    newer = [r"\.ONESHELL", r"^undefine ", r"\$\(file ", r"\$\(guile ", r"&:", r"!=", r"::="]
    newer += [r"\.EXTRA_PREREQS", r"\.NOTPARALLEL:.", r"\$\(let ", r"\$\(intcmp ", "--output-sync"]
    assert [word for word in newer if re.search(word, MAKEFILE, re.MULTILINE)] == []


def test_make_installs_only_extras_that_exist() -> None:
    named = re.findall(r"EXTRAS := (\S+)|-e '\.\[([\w,]+)\]'", MAKEFILE)
    extras = {extra for pair in named for extra in "".join(pair).split(",")}
    assert extras
    assert extras <= set(EXTRAS)


def test_the_readme_gives_exactly_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL) == [
        "make demo\nmake test\n"
    ]


def test_ci_runs_the_suite_and_then_the_gates() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert re.findall(r"^make \w+", text, re.MULTILINE) == ["make test", "make check"]


WORKFLOWS = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}


def test_workflows_run_commands_that_exist() -> None:
    called = {
        target for text in WORKFLOWS.values() for target in re.findall(r"make ([\w-]+)", text)
    }
    assert {"test", "test-lowest", "dist"} <= called
    assert [t for t in called if not re.search(rf"^{t}:", MAKEFILE, re.MULTILINE)] == []


def test_the_suite_runs_on_each_python_that_is_promised() -> None:
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOWS["ci.yml"])
    promised = [
        f'"{classifier.rpartition(" ")[2]}"'
        for classifier in PROJECT["classifiers"]
        if re.search(r":: 3\.\d+$", classifier)
    ]
    assert matrix.split(", ") == promised


def test_the_hosted_documentation_installs_an_extra_that_exists() -> None:
    text = (ROOT / ".readthedocs.yaml").read_text(encoding="utf-8")
    (extras,) = re.findall(r"extra_requirements: \[(.*)\]", text)
    assert set(extras.split(", ")) <= set(EXTRAS)


# -- pages and news ------------------------------------------------------------------------


def dangling_links(page: Path) -> list[str]:
    """List the relative links of a page that lead to no file."""
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    return [
        target
        for target in targets
        if target and "://" not in target and not (page.parent / target).exists()
    ]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/newsfragments/README.md",
    ],
)
def test_links_lead_somewhere(name: str) -> None:
    assert dangling_links(ROOT / name) == []


def test_a_dangling_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        "[a](a.md#x) [b](b.md) [c](https://example.com) `[d](d.md)`\n```\n[e](e)\n```\n"
    )
    assert dangling_links(page) == ["b.md"]


def bad_fragments(names: Iterable[str]) -> list[str]:
    """List the names that the changelog's tool would pass over or refuse."""
    good = re.compile(rf"(\d+|\+[\w-]+)\.({'|'.join(sorted(KINDS))})(\.\d+)?\.md")
    return [name for name in sorted(names) if name != "README.md" and not good.fullmatch(name)]


def test_the_changelog_has_the_version() -> None:
    """The version stands in one file, and its changes are told."""
    news = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## (\S+) \(", news, re.MULTILINE)
    assert latest is not None
    assert latest[1] == realtime_trio.__version__


def test_news_fragments_have_names_that_are_read() -> None:
    directory = ROOT / CONFIG["tool"]["towncrier"]["directory"]
    assert bad_fragments(path.name for path in directory.iterdir()) == []


def test_a_bad_name_of_a_fragment_is_found() -> None:
    names = ["2.feature.md", "+x.bugfix.md", "README.md", "3.change.1.md", "4.fix.md", "feature.md"]
    assert bad_fragments(names) == ["4.fix.md", "feature.md"]


def test_the_changelog_has_the_mark_where_a_release_goes() -> None:
    mark = CONFIG["tool"]["towncrier"]["start_string"]
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").count(mark) == 1
