from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Programs
from vaults import VaultHome, add_key

VALUE = "sk-clip  board-\u4f60-0001"


@pytest.fixture
def display(programs: Programs) -> Iterator[str]:
    """A real X server of this test's own."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [programs["Xvfb"], "-displayfd", str(writing), "-screen", "0", "320x200x8", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with open(reading) as file:
            yield ":" + file.readline().strip()
    finally:
        server.terminate()
        server.wait(10)


def clipboard(programs: Programs, display: str) -> str:
    words = [programs["xclip"], "-o", "-selection", "clipboard"]
    return subprocess.run(words, env={"DISPLAY": display}, capture_output=True, check=False, timeout=10).stdout.decode()


def clearers(vault: VaultHome) -> list[int]:
    """The processes that wait to clear the clipboard on behalf of this test's vault."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
            ours = os.stat(f"/proc/{pid}/environ").st_uid == 0 != os.geteuid()  # it forbids the user to look
            if not ours:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = os.fsencode(vault.folder) in file.read()
        except OSError:
            continue
        if b"keyvault.cli.clipboard" in words and ours:
            found.append(int(pid))
    return found


def test_copy_puts_the_value_on_the_clipboard_and_leaves_someone_to_clear_it(
    tmp_path: object, programs: Programs, display: str
) -> None:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "openai/default", VALUE)
    done = home.run("get", "openai", "--copy", env={"DISPLAY": display})
    assert done.stdout == b""
    assert clipboard(programs, display) == VALUE
    assert [key["last_used"] for key in json.loads(home.run("list", "--json").stdout)["keys"]] != [None]
    waiting = clearers(home)
    for pid in waiting:
        os.kill(pid, 15)
    assert len(waiting) == 1


@pytest.mark.parametrize(("meanwhile", "left"), [(None, ""), ("something else", "something else")])
def test_the_clipboard_is_cleared_only_if_the_value_is_still_there(
    programs: Programs, display: str, meanwhile: str | None, left: str
) -> None:
    environment = {**os.environ, "DISPLAY": display}
    holder = subprocess.Popen(
        [sys.executable, "-P", "-m", "keyvault.cli.clipboard", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert holder.stdin
    assert holder.stdout
    with holder.stdin, holder.stdout:
        holder.stdin.write(VALUE.encode())
        holder.stdin.close()
        assert holder.stdout.readline() == b"copied\n"
    if meanwhile is not None:
        copy = [programs["xclip"], "-selection", "clipboard"]
        subprocess.run(copy, input=meanwhile.encode(), env=environment, check=True, timeout=10)
    assert holder.wait(20) == 0
    assert clipboard(programs, display) == left
