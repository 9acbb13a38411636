from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

KEY = "sk-canary-0123456789abcdef"
linux = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")

# The settings come in a file: nothing of them may show up in argv or in an environment.
DRIVER = r"""
import json, os, sys
from keyvault.environment.run import RunFailed, run
from keyvault.core.harden import harden_process, restore_limits
with open(sys.argv[1]) as file:
    settings = json.load(file)
os.unlink(sys.argv[1])
if settings["harden"]:
    harden_process()
environment = settings["environment"] or {**os.environ, "KEY": settings["key"]}
try:
    status = run(sys.argv[2:], environment, redact=settings["redact"], before_exec=restore_limits)
except RunFailed as failure:
    print(failure, file=sys.stderr)
    status = failure.status
sys.exit(status)
"""

both = pytest.mark.parametrize("masked", [False, True], ids=["exec", "masked"])


def driver(argv: tuple[str, ...], *, masked: bool, environment: dict[str, str] | None, harden: bool) -> list[str]:
    settings = {"redact": [KEY] if masked else [], "environment": environment, "harden": harden, "key": KEY}
    fd, path = tempfile.mkstemp()
    with open(fd, "w") as file:
        json.dump(settings, file)
    return [sys.executable, "-c", DRIVER, path, *argv]


def start(
    *argv: str,
    masked: bool,
    environment: dict[str, str] | None = None,
    harden: bool = False,
    prefix: tuple[str, ...] = (),
    **popen: Any,
) -> subprocess.Popen[bytes]:
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = driver(argv, masked=masked, environment=environment, harden=harden)
    return subprocess.Popen([*prefix, *command], **{**streams, **popen})


def finish(process: subprocess.Popen[bytes], feed: bytes | None = None) -> tuple[int, bytes, bytes]:
    with process:
        out, err = process.communicate(feed, timeout=30)
    return process.returncode, out, err


def python(code: str) -> tuple[str, str, str]:
    return sys.executable, "-c", code


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# --- exit codes


@both
@pytest.mark.parametrize("code", [0, 1, 42, 125, 255])
def test_the_exit_code_is_the_commands(masked: bool, code: int) -> None:
    assert finish(start("sh", "-c", f"exit {code}", masked=masked))[0] == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGHUP])
def test_death_by_a_signal_is_128_and_its_number_or_the_signal_itself(number: signal.Signals, tmp_path: Path) -> None:
    argv = ("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
    assert finish(start(*argv, masked=True, cwd=tmp_path))[0] == 128 + number
    assert finish(start(*argv, masked=False, cwd=tmp_path))[0] == -number


def unrunnable(folder: Path) -> dict[str, list[str]]:
    (folder / "plain").write_text("#!/bin/sh\n")
    (folder / "lost").write_text("#!/no/such/interpreter\n")
    (folder / "lost").chmod(0o755)
    (folder / "broken").write_bytes(b"\x7fELF and no more")
    (folder / "broken").chmod(0o755)
    (folder / "script").write_text('echo "$0" "$@"; exit 7\n')
    (folder / "script").chmod(0o755)
    return {
        "no such file": [str(folder / "missing")],
        "no such command": ["no-such-command-anywhere"],
        "empty": [""],
        "not executable": [str(folder / "plain")],
        "folder": [str(folder)],
        "below a file": [str(folder / "plain" / "x")],
        "interpreter missing": [str(folder / "lost")],
        "no #! line": [str(folder / "script"), "a b", "-c"],
    }


@both
def test_what_cannot_be_run_gives_the_code_that_env_gives(masked: bool, tmp_path: Path) -> None:
    ours, theirs = {}, {}
    for what, argv in unrunnable(tmp_path).items():
        code, out, err = finish(start(*argv, masked=masked))
        ours[what] = (code, out)
        done = subprocess.run(["env", *argv], capture_output=True, check=False)
        theirs[what] = (done.returncode, done.stdout)
        if code in (126, 127):
            assert err.startswith(f'cannot run "{argv[0]}": '.encode())
            assert err.count(b"\n") == 1
    assert ours == theirs
    assert {code for code, _ in ours.values()} == {126, 127, 7}


@both
def test_an_environment_that_is_too_large_is_126(masked: bool) -> None:
    code, out, err = finish(start("/bin/true", masked=masked, environment={"KEY": KEY * 200_000}))
    assert (code, out, err) == (126, b"", b'cannot run "/bin/true": argument list too long\n')


@both
def test_our_own_failures_are_125_and_show_no_value(masked: bool) -> None:
    for environment in ({"A": f"{KEY}\0x"}, {"A=B": KEY}, {"": KEY}, {"A": f"{KEY}\ud800"}):
        code, out, err = finish(start("true", masked=masked, environment=environment))
        assert (code, out) == (125, b"")
        assert KEY.encode() not in err
        assert b"Traceback" not in err
    assert finish(start(masked=masked))[0] == 125


@both
def test_the_command_is_looked_up_in_the_path_it_is_given(masked: bool, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
    (tmp_path / "second" / "tool").chmod(0o755)
    path = f"/no/such/folder:{tmp_path}/first:{tmp_path}/second"
    assert finish(start("tool", masked=masked, environment={"PATH": path}))[:2] == (0, b"second\n")
    assert finish(start("tool", masked=masked, environment={"PATH": f"{tmp_path}/first"}))[0] == 126
    assert finish(start("tool", masked=masked, environment={"PATH": "/no/such/folder"}))[0] == 127
    assert finish(start("sh", "-c", "echo found", masked=masked, environment={"A": "1"}))[:2] == (0, b"found\n")
    assert finish(start("tool", masked=masked, environment={"PATH": ""}, cwd=tmp_path / "second"))[:2] == (0, b"second\n")


# --- what the command inherits


@both
@linux
def test_the_environment_is_exactly_the_given_one(masked: bool, tmp_path: Path) -> None:
    given = {"KEY": KEY, "EMPTY": "", "LINES": "a\nb\r\n", "BYTES": b"\xff\xfe".decode("utf-8", "surrogateescape"), "ü": "é"}
    copy = tmp_path / "environ"
    assert finish(start("/bin/cp", "/proc/self/environ", str(copy), masked=masked, environment=given))[0] == 0
    pairs = [pair.split(b"=", 1) for pair in copy.read_bytes().split(b"\0")[:-1]]
    assert {os.fsdecode(name): os.fsdecode(value) for name, value in pairs} == given


@both
def test_standard_input_passes_through_untouched(masked: bool) -> None:
    data = bytes(range(256)) * 1000
    assert finish(start("cat", masked=masked, stdin=subprocess.PIPE), data)[:2] == (0, data)


@both
def test_input_that_the_command_does_not_read_is_left_for_the_next(masked: bool, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"one\ntwo\n")
    with open(tmp_path / "input", "rb", buffering=0) as source:
        assert finish(start("sh", "-c", "read line; echo $line", masked=masked, stdin=source))[1] == b"one\n"
        assert source.read() == b"two\n"


@both
def test_other_open_files_pass_through(masked: bool) -> None:
    reader, writer = os.pipe()
    assert finish(start(*python(f"import os; os.write({writer}, b'hello')"), masked=masked, pass_fds=(writer,)))[0] == 0
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"hello"


@both
@linux
def test_no_other_file_is_open_in_the_command(masked: bool) -> None:
    listing = python("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])")
    assert finish(start(*listing, masked=masked))[1] == b"[0, 1, 2]\n"


@both
def test_a_closed_stream_stays_closed(masked: bool) -> None:
    code = "import os\nfor fd in (0, 1, 2):\n try: os.fstat(fd)\n except OSError: os.write(9, b'%d' % fd)"
    for close, expected in ((">&-", b"1"), ("2>&-", b"2"), (">&- 2>&-", b"12"), ("<&- >&-", b"01")):
        reader, writer = os.pipe()
        shell = ("bash", "-c", f'exec 9>&{writer} {close}; exec "$0" "$@"')
        process = start(*python(code), masked=masked, prefix=shell, pass_fds=(writer,))
        os.close(writer)
        with open(reader, "rb") as pipe:
            assert pipe.read() == expected, close
        assert finish(process)[0] == 0


@both
@linux
def test_signals_are_as_they_were(masked: bool) -> None:
    # cat is no Python: it changes nothing itself.
    def signals(prefix: tuple[str, ...] = ()) -> list[int]:
        out = finish(start("cat", "/proc/self/status", masked=masked, prefix=prefix))[1].decode()
        of_libc = 0b11 << 31  # 32 and 33: posix_spawn of some glibc leaves them ignored, whoever calls it
        return [int(bits, 16) & ~of_libc for bits in re.findall(r"^Sig(?:Blk|Ign|Cgt):\s+(\w+)", out, re.MULTILINE)]

    assert signals() == [0, 0, 0]
    names = ("SIGHUP", "SIGINT", "SIGCHLD", "SIGUSR1")
    ignore = f"import os, signal, sys; [signal.signal(getattr(signal, n), signal.SIG_IGN) for n in {names}]; "
    bits = sum(1 << (getattr(signal, name) - 1) for name in names)
    assert signals(python(ignore + "os.execv(sys.argv[1], sys.argv[1:])")) == [0, bits, 0]


@both
def test_the_limit_on_core_files_is_the_one_from_before(masked: bool) -> None:
    lower = ("sh", "-c", 'ulimit -Sc 8; exec "$0" "$@"')
    expected = subprocess.run(["sh", "-c", "ulimit -Sc 8; ulimit -Sc"], capture_output=True, check=True).stdout
    assert finish(start("sh", "-c", "ulimit -Sc", masked=masked, harden=True, prefix=lower))[1] == expected


# --- who is there while it runs


@linux
def test_without_masking_the_process_becomes_the_command() -> None:
    process = start("sh", "-c", "echo $$; read line; exit 3", masked=False, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    assert Path(f"/proc/{process.pid}/comm").read_text() == "sh\n"
    assert Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() == ""
    assert KEY.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert finish(process, b"\n")[0] == 3


@linux
def test_no_value_is_in_the_arguments_or_the_environment_of_the_masking_process() -> None:
    process = start("sh", "-c", "echo $$; read line", masked=True, stdin=subprocess.PIPE, harden=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    for pid in (process.pid, child):
        assert KEY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert child != process.pid
    assert os.getpgid(child) == os.getpgid(process.pid)
    if os.geteuid() == 0:  # others may not even look
        assert KEY.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
    assert re.search(r"core file size +0 ", Path(f"/proc/{process.pid}/limits").read_text())
    assert finish(process, b"\n")[0] == 0


# --- masked output


def test_both_streams_are_masked_and_nothing_else_changes() -> None:
    code, out, err = finish(start("sh", "-c", 'printf "\\0%s\\n" "a $KEY"; printf "b $KEY" >&2', masked=True))
    assert (code, out, err) == (0, b"\0a ***\n", b"b ***")


def test_output_comes_as_it_is_written_without_waiting_for_a_line() -> None:
    process = start("sh", "-c", 'printf "Continue? "; read a; printf "$a"', masked=True, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 100) == b"Continue? "
    assert finish(process, b"yes\n")[1] == b"yes"


def test_streams_that_are_one_file_keep_their_order() -> None:
    code = "import os\nfor i in range(2000): os.write(1 + i % 2, b'%d\\n' % i)"
    out = finish(start(*python(code), masked=True, stderr=subprocess.STDOUT))[1]
    assert out.split() == [b"%d" % i for i in range(2000)]


def test_a_value_that_is_written_half_to_each_of_one_file_is_masked() -> None:
    argv = ("sh", "-c", f'printf {KEY[:10]}; printf "{KEY[10:]}\\n" >&2')
    assert finish(start(*argv, masked=True, stderr=subprocess.STDOUT))[1] == b"***\n"


def test_output_that_still_waits_when_the_command_ended_arrives_whole() -> None:
    # More than our two buffers hold, less than they and the command's pipe do: it can end with nothing read.
    process = start(*python("import os; os.write(1, b'x' * 180_000)"), masked=True)
    assert process.stdout is not None
    received = b""
    while data := os.read(process.stdout.fileno(), 30_000):
        received += data
        time.sleep(0.4)
    assert received == b"x" * 180_000
    assert finish(process)[0] == 0


def test_a_reader_that_goes_away_ends_the_command_by_sigpipe() -> None:
    process = start("yes", masked=True)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"y\ny\n"
    process.stdout.close()
    process.stdout = None
    assert finish(process)[0] == 128 + signal.SIGPIPE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_written_is_our_failure_whatever_the_command_says() -> None:
    with open("/dev/full", "wb") as full:
        code, _, err = finish(start("sh", "-c", "echo lost; exit 0", masked=True, stdout=full))
    assert code == 125
    assert err == b"the command's output is not complete: no space left on device\n"


def test_a_non_blocking_output_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start(*python("import os; os.write(1, b'x' * 500_000)"), masked=True, stdout=writer)
    os.close(writer)
    time.sleep(0.3)
    with open(reader, "rb") as pipe:
        assert len(pipe.read()) == 500_000
    assert finish(process)[0] == 0


@pytest.mark.parametrize("background", ["sleep 60", "yes"])
def test_what_the_command_leaves_in_the_background_does_not_keep_us(background: str) -> None:
    process = start("sh", "-c", f"{background} & echo $! >&2; printf sk-can; exit 5", masked=True)
    assert process.stderr is not None
    left = int(process.stderr.readline())
    try:
        begin = time.monotonic()
        code, out, _ = finish(process)
        assert time.monotonic() - begin < 10
        assert code == 5
        assert out.replace(b"y", b"").replace(b"\n", b"") == b"sk-can"
    finally:
        try:
            os.kill(left, signal.SIGKILL)
        except ProcessLookupError:
            assert background == "yes"  # nobody read it any more


# --- signals

COUNT = """
import os, signal, sys
seen = []
def note(number, frame):
    seen.append(number)
    os.write(log, signal.Signals(number).name.encode() + b"\\n")
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for name in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "CONT"):
    signal.signal(getattr(signal, "SIG" + name), note)
# A signal between Python's last look for one and its read would wait until the next: so it looks again.
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
os.write(log, b"ready\\n")
for line in sys.stdin:
    if line.strip() == "q":
        os._exit(9)  # sys.exit takes the handlers away first, and a signal for the group can come a second time
    print("heard", line.strip(), file=sys.stderr, flush=True)
"""


@both
def test_a_signal_for_us_reaches_the_command_once(masked: bool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start(*python(COUNT), str(log), masked=masked, stdin=subprocess.PIPE)
    expected = ["ready"]
    wait_for(lambda: log.exists() and log.read_text().split() == expected)
    for name in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "CONT"):
        process.send_signal(getattr(signal, "SIG" + name))
        expected.append("SIG" + name)
        wait_for(lambda: log.read_text().split() == expected)
    assert finish(process, b"q\n")[0] == 9
    assert log.read_text().split() == expected


def test_a_signal_that_the_command_sends_us_is_not_sent_back(tmp_path: Path) -> None:
    # As when it signals its whole group: it has its own already.
    log = tmp_path / "log"
    code = COUNT.replace("for line in", "os.kill(os.getppid(), signal.SIGTERM)\nfor line in")
    process = start(*python(code), str(log), masked=True, stdin=subprocess.PIPE)
    wait_for(lambda: log.exists() and "ready" in log.read_text())
    time.sleep(0.3)  # for it to come
    assert finish(process, b"q\n")[0] == 9
    assert log.read_text().split() == ["ready"]


# --- a terminal


def script(folder: Path, *argv: str, masked: bool, redirect: str = "") -> str:
    path = folder / "drive"
    command = shlex.join(driver(argv, masked=masked, environment=None, harden=False))
    path.write_text(f"#!/bin/sh\nexec {command} {redirect}\n")
    path.chmod(0o755)
    return str(path)


def on_terminal(folder: Path, *argv: str, masked: bool, redirect: str = "") -> pexpect.spawn:
    """The driver as the leader of a terminal's session."""
    command = script(folder, *argv, masked=masked, redirect=redirect)
    return pexpect.spawn(command, timeout=20, echo=False, dimensions=(33, 77))


def ended(terminal: pexpect.spawn) -> int:
    terminal.expect(pexpect.EOF)
    terminal.wait()
    return int(terminal.exitstatus if terminal.exitstatus is not None else -terminal.signalstatus)


LOOK = "import os; print([os.isatty(fd) for fd in (0, 1, 2)], *os.get_terminal_size(0), os.getpgrp() == os.tcgetpgrp(0))"


@both
@pytest.mark.parametrize(
    ("redirect", "terminals"),
    [("", "[True, True, True]"), (">OUT", "[True, False, True]"), ("2>OUT", "[True, True, False]")],
)
def test_terminals_stay_terminals(masked: bool, redirect: str, terminals: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    terminal = on_terminal(tmp_path, *python(LOOK), masked=masked, redirect=redirect.replace("OUT", str(out)))
    assert ended(terminal) == 0
    seen = out.read_bytes() if redirect == ">OUT" else terminal.before
    assert isinstance(seen, bytes)
    assert seen.strip().decode() == f"{terminals} 77 33 True"


COLOUR = (
    """printf "\\033[1;31m%s\\033[0m\\t%s\\r\\n" red "$KEY"; printf "\\033[32mgreen" >&2; ls --color=auto -C / 2>/dev/null"""
)


def test_output_on_a_terminal_is_the_same_with_and_without_redact(tmp_path: Path) -> None:
    seen = []
    for masked in (False, True):
        terminal = on_terminal(tmp_path, "sh", "-c", COLOUR, masked=masked)
        assert ended(terminal) == 0
        seen.append(terminal.before)
    assert seen[0] == seen[1]
    assert b"\033[1;31mred\033[0m\t" + KEY.encode() in seen[0]


def test_colours_of_the_stream_that_is_a_terminal_stay_beside_a_masked_one(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path, "sh", "-c", COLOUR, masked=True, redirect=f">{tmp_path / 'out'}")
    assert ended(terminal) == 0
    assert terminal.before == b"\033[32mgreen"
    assert (tmp_path / "out").read_bytes().startswith(b"\033[1;31mred\033[0m\t***\r\n")


@both
def test_ctrl_c_and_ctrl_backslash_reach_the_command_once(masked: bool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    terminal = on_terminal(tmp_path, *python(COUNT), str(log), masked=masked, redirect=f">{tmp_path / 'out'}")
    expected = ["ready"]
    wait_for(lambda: log.exists() and log.read_text().split() == expected)
    for key, name in (("c", "SIGINT"), ("\\", "SIGQUIT"), ("c", "SIGINT")):
        terminal.sendcontrol(key)
        expected.append(name)
        wait_for(lambda: log.read_text().split() == expected)
    terminal.setwinsize(20, 40)
    expected.append("SIGWINCH")
    wait_for(lambda: log.read_text().split() == expected)
    terminal.sendline("q")
    assert ended(terminal) == 9
    assert log.read_text().split() == expected


def test_ctrl_c_that_ends_the_command_gives_130_and_no_traceback(tmp_path: Path) -> None:
    for masked, code in ((True, 130), (False, -signal.SIGINT)):
        argv = ("sh", "-c", "echo up >&2; exec sleep 30")
        terminal = on_terminal(tmp_path, *argv, masked=masked, redirect=f">{tmp_path / 'out'}")
        terminal.expect("up\r\n")
        terminal.sendintr()
        assert ended(terminal) == code
        assert terminal.before == b""


@both
@linux
def test_a_shell_can_stop_and_continue_it(masked: bool, tmp_path: Path) -> None:
    log, pidfile = tmp_path / "log", tmp_path / "pid"
    code = f"import os\nopen({str(pidfile)!r}, 'w').write(str(os.getpid()))\n" + COUNT
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], timeout=20, echo=False, env={**os.environ, "PS1": "<$?>", "TERM": "dumb"}
    )
    shell.expect("<0>")

    def state(pid: int | None = None) -> str:
        return Path(f"/proc/{pid or pidfile.read_text()}/stat").read_text().rpartition(")")[2].split()[0]

    def job_is_stopped() -> bool:  # the shell knows what the leader of the group does
        return state(os.getpgid(int(pidfile.read_text()))) == state() == "T"

    for _ in range(3):
        log.unlink(missing_ok=True)
        command = script(tmp_path, *python(code), str(log), masked=masked, redirect=f">{tmp_path / 'out'}")
        shell.sendline(command)
        wait_for(lambda: log.exists() and log.read_text().split() == ["ready"])
        shell.sendline("one")
        shell.expect("heard one\r\n")
        for word in ("two", "three"):
            shell.sendcontrol("z")
            shell.expect(rf"\[1\]\+  Stopped +{re.escape(command)}\r\n<148>")
            assert state() == "T"
            shell.sendline("fg")
            wait_for(lambda: state() != "T")
            shell.sendline(word)
            shell.expect(f"heard {word}\r\n")
        assert log.read_text().split() == ["ready", "SIGCONT", "SIGCONT"]
        shell.sendcontrol("z")
        shell.expect("<148>")
        shell.sendline("bg")
        shell.expect("<0>")
        wait_for(job_is_stopped)  # it reads from the terminal in the background
        shell.sendline("kill %1")
        wait_for(lambda: "SIGTERM" in log.read_text() and job_is_stopped())
        shell.sendline("fg")
        shell.sendline("q")
        shell.expect("<9>")
    log.unlink()
    shell.sendline(script(tmp_path, *python(code), str(log), masked=masked, redirect=f">{tmp_path / 'out'}") + " &")
    wait_for(lambda: log.exists() and job_is_stopped())
    shell.sendline("fg")
    shell.sendline("q")
    shell.expect("<9>")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()


@both
@linux
def test_a_command_that_handles_being_in_the_background_is_not_stopped(masked: bool, tmp_path: Path) -> None:
    code = "import os, signal, sys; signal.signal(signal.SIGTTIN, lambda *_: os._exit(7)); sys.stdin.read()"
    command = script(tmp_path, *python(code), masked=masked, redirect=f">{tmp_path / 'out'}")
    assert ended(pexpect.spawn("bash", ["--norc", "-ic", f"{command} & wait $!"], timeout=20)) == 7
