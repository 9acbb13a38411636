"""No memory, no file descriptors, a terminal that goes away, an interrupt before anything runs: one line and a frozen code."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from people import PASSPHRASE, AskingHome, Terminal, text_of, write
from vaults import COMMAND, VaultHome, add_key

from keyvault.crypto.kdf import STRONG

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def limited(home: VaultHome, limit: str, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", *COMMAND, *words],
        env=home.environment | env,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the address space")
def test_too_little_memory_for_a_passphrase_is_said(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking(kdf=STRONG)
    done = limited(home, f"-v {STRONG.memory}", "list", KEYVAULT_PASSPHRASE=PASSPHRASE)
    assert done.returncode == 1
    assert b"keyvault: error: the system refused: cannot allocate memory" in done.stderr
    assert b"ulimit" in done.stderr
    home.run("list", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})


@posix
def test_too_few_file_descriptors_are_said(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    add_key(vault, "openai/default", "value-of-openai", "OPENAI_API_KEY")
    vault.store.close()
    said = b""
    for number in range(8, 13):
        done = limited(home, f"-n {number}", "run", "--redact", "--", "true")
        assert done.returncode in (0, 125)
        assert b"internal error" not in done.stderr
        assert done.stderr.count(b"keyvault: error: ") == (done.returncode == 125)
        said += done.stderr
    assert b"the system refused: too many open files" in said
    assert done.returncode == 0


@posix
@pytest.mark.parametrize("words", [("list",), ("rm", "openai"), ("init", "--no-recovery", "--unlock", "passphrase")])
def test_a_terminal_that_goes_away_at_a_question_ends_it_with_130(tmp_path: os.PathLike[str], words: tuple[str, ...]) -> None:
    home = AskingHome(str(tmp_path))
    if words[0] != "init":
        home.create_asking()
    script = 'trap "" HUP; "$@" 2>err; echo $? >code'
    person = Terminal(home, program=["sh", "-c", script, "sh", *COMMAND, *words])
    person.expect("passphrase: ")
    person.child.ptyproc.fileobj.close()  # as when the window is closed
    person.child.closed = person.child.ptyproc.closed = True
    end = time.monotonic() + 30
    while not (os.path.exists(home.folder + "/code") and text_of(home.folder + "/code")):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (text_of(home.folder + "/code"), text_of(home.folder + "/err").strip()) == ("130\n", "")


def test_an_interrupt_while_the_program_is_loaded_ends_it_with_130(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    home.create().store.close()
    os.mkdir(home.folder + "/slow")
    write(home.folder + "/slow/click.py", "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(60)\n")
    done = home.run("list", env={"PYTHONPATH": home.folder + "/slow"}, code=130)
    assert (done.stdout, done.stderr) == (b"", b"")
