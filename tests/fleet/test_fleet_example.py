"""The example of the fleet, as a reader runs it: a node is killed, and the answers go on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.source import ROOT

from .redis_server import server_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def test_a_node_of_the_example_is_killed() -> None:
    pytest.importorskip("coredis", reason="the extra redis is not installed")
    server_path()
    command = [sys.executable, str(ROOT / "examples" / "fleet" / "run.py"), "4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    nodes: dict[str, int] = {}
    ends: list[tuple[str, str]] = []
    said = ""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said += line
                if found := re.match(r"node (\w) is process (\d+)", line):
                    nodes[found[1]] = int(found[2])
                elif found := re.match(r"data: (\w+) of (\w)-\w+$", line):
                    ends.append((found[1], found[2]))
                elif len(ends) == 1 and nodes and line.startswith("data: "):
                    os.kill(nodes.pop(ends[0][1]), signal.SIGKILL)  # in the second answer
                    nodes.clear()
        finally:
            process.send_signal(signal.SIGINT)
    assert [node for _, node in ends[2:]] == [{"a": "b", "b": "a"}[ends[0][1]]] * 2, said
    assert [outcome for outcome, _ in ends[2:]] == ["TurnCompleted"] * 2
    assert len(ends) == 4
