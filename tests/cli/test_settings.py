"""Settings: options, then the environment, then a file. And completion for shells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from realtime_trio.cli._settings import CONFIG_VARIABLE
from realtime_trio.server import Account, ServerConfig, open_server
from tests.cli.command import Call, refusal, run

SECRET = "geheim-passwort-1"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    users = (Account(), Account(user_id="me", password=SECRET))
    config = ServerConfig(users=users, accept_any_token=False)
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server(config)) as server,
    ):
        yield str(portal.call(server.listen))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty settings file; the password comes from the environment."""
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    monkeypatch.setenv("REALTIME_TRIO_PASSWORD", SECRET)
    for name in ("TOKEN", "USER", "URL", "AGENT", "SEND_AGENT"):
        monkeypatch.delenv(f"REALTIME_TRIO_{name}", raising=False)
    return path


def test_reads_the_user_and_the_address_from_the_file(url: str, file: Path, call: Call) -> None:
    file.write_text(f'url = "{url}"\nuser = "me"\n')
    done = call("top", "--once")
    assert done.status == 0, done.err
    assert call("send", url, "Hello").out == b"You said: Hello\n"


def test_the_environment_takes_precedence_over_the_file(
    url: str, file: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f'url = "{url}"\nuser = "nobody"\n[top]\nonce = true\nsay = ["a", "b"]\n')
    assert call("top").status == 1
    monkeypatch.setenv("REALTIME_TRIO_USER", "me")
    assert call("top").status == 0
    monkeypatch.setenv("REALTIME_TRIO_AGENT", "nobody")
    assert "no agent 'nobody'" in refusal(call, "send", url, "x")
    monkeypatch.setenv("REALTIME_TRIO_SEND_AGENT", "helper")
    assert call("send", url, "x").status == 0
    monkeypatch.setenv("REALTIME_TRIO_USER", "")
    monkeypatch.setenv("REALTIME_TRIO_TOKEN", "no such token")
    assert call("send", url, "x").status == 1


def test_an_option_takes_precedence(
    url: str, file: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over the other kind of credentials."""
    file.write_text('token = "no such token"\nagent = "nobody"\n')
    monkeypatch.setenv("REALTIME_TRIO_USER", "nobody")
    assert call("send", url, "x", "--user", "me", "--agent", "helper").status == 0


def test_ignores_settings_of_other_commands(
    url: str, file: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('user = "me"\n[chat]\nagent = "nobody"\n[serve]\nport = 70000\n')
    assert call("send", url, "x").status == 0
    assert "--port" in refusal(call, "serve")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no toml", "is not a TOML file"),
        ("colour = 'red'", "there is no setting 'colour'; available: url, user"),
        ("[cheat]\nvi = true", "there is no setting 'cheat'"),
        ("send = 5", "there is no setting 'send'"),
        ("[send]\nvi = true", "[send] has no setting 'vi'"),
        ("[send]\njson = 'perhaps'", "perhaps"),
    ],
)
def test_reports_an_invalid_setting_in_one_line(
    file: Path, call: Call, text: str, told: str
) -> None:
    file.write_text(text)
    assert told in refusal(call, "send", "http://localhost", "x", "--token", "any")


def test_reports_a_file_that_cannot_be_read(
    file: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = ("send", "http://localhost", "x", "--token", "any")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "missing.toml"))
    assert "does not exist" in refusal(call, *command)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    assert "cannot read" in refusal(call, *command)


def test_needs_no_settings_file(
    url: str, file: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    assert call("send", url, "x", "--user", "me").status == 0


# -- completion and version ----------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installs_completion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, shell: str
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZSH_CUSTOM", "ZSH", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    done = call("--install-completion", "--shell", shell)
    assert done.status == 0, done.err
    written = Path(done.out.decode().removeprefix("wrote ").partition(";")[0])
    assert tmp_path in written.parents
    text = written.read_text()
    assert all(name in text for name in ("chat", "serve", "top", "fault", "thoughts"))
    if shell == "bash":
        subprocess.run(["bash", "-n", written], check=True, timeout=60)


@pytest.mark.parametrize("startup", ["", "autoload -Uz compinit; compinit\n"], ids=["new", "own"])
def test_zsh_loads_the_completion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, startup: str
) -> None:
    """Whether the user's startup file calls compinit or not; the second time adds nothing."""
    for name in ("ZSH_CUSTOM", "ZSH", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".zshrc"
    file.write_text(startup)
    assert call("--install-completion", "--shell", "zsh").status == 0
    text = file.read_text()
    assert "compdef _" in text
    assert call("--install-completion", "--shell", "zsh").status == 0
    assert file.read_text() == text
    if (zsh := shutil.which("zsh")) is not None:
        command = [zsh, "-ic", "print ${_comps[realtime-trio]}"]
        done = subprocess.run(command, check=True, timeout=60, capture_output=True)
        assert done.stdout.decode().strip().endswith("realtime-trio")


def test_completion_leaves_oh_my_zsh_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    """It has a directory for completions, which it loads itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZSH_CUSTOM", str(tmp_path))
    for before in (None, "source oh-my-zsh\n"):
        if before is not None:
            (tmp_path / ".zshrc").write_text(before)
        assert call("--install-completion", "--shell", "zsh").status == 0
    assert (tmp_path / ".zshrc").read_text() == "source oh-my-zsh\n"


def test_writes_completion_to_a_file(tmp_path: Path, call: Call) -> None:
    file = tmp_path / "completion"
    assert call("--install-completion", "--shell", "bash", "--output", file).status == 0
    assert "realtime-trio" in file.read_text()
    done = call(
        "--install-completion", "--shell", "bash", "--output", tmp_path / "completion" / "x"
    )
    assert (done.status, done.err.count(b"\n")) == (1, 1)


def test_prints_the_version(call: Call) -> None:
    done = call("--version")
    assert done.status == 0
    assert done.out.decode().startswith("realtime-trio ")


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("chat", "--help")])
def test_reports_a_full_disk_in_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = run(*arguments, stdout=full)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1, done.stderr
