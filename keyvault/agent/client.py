"""Ask the agent, and write what it answers. Any doubt, and the caller takes the slow path, as if there were no agent.

Self-contained and cheap: it imports only what is built into the interpreter; see keyvault.call. The wire is described in
keyvault.agent.protocol.
"""

import sys
from time import monotonic, sleep

assert sys.platform != "win32"  # the agent's other client is pipe_client; whoever imports this looks first
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812

SERVED = ("env", "get", "which", "list", "hook", "run")
NOT_ASKED = (b"KEYVAULT_PASSPHRASE", b"KEYVAULT_PASSPHRASE_FILE", b"KEYVAULT_PASSPHRASE_FD", b"KEYVAULT_KEY_FILE")
LARGEST_REQUEST = 262_144
LARGEST_ANSWER = 64 * 1024 * 1024
LONGEST_PATH = 103  # sun_path holds 104 bytes on macOS and 108 on Linux, with a zero at the end
FIRST_BYTE, WHOLE_ANSWER = 0.05, 2.0  # seconds
DONE, NOT_SERVED, EXEC = 0, 1, 2
OUT, ERR, DATA = 1, 2, 3
READER_GONE = 141
Answer = tuple[int, int, list[tuple[int, bytes]]]  # status, exit code, chunks

unanswered: dict[bytes, float] = {}  # sockets, and the seconds after which nobody had answered: only more patience tries again


def ask(words: list[str], first_byte: float = FIRST_BYTE) -> int | None:
    """The exit code where the agent served these words, and None where the slow path has to. `run` becomes its program."""
    if words[:1] and words[0] in SERVED and (words[0] != "hook" or "--plan" in words):
        encoding = sys.getfilesystemencoding()
        arguments = [word.encode(encoding, "surrogateescape") for word in words]
        answer = request(b"call", arguments, first_byte)
        if answer is not None and answer[0] == DONE:
            return _show(answer[2], answer[1])
        if answer is not None and answer[0] == EXEC:
            _show(answer[2], 0)
            _become(arguments, answer[2])
    return None


def request(
    verb: bytes, arguments: list[bytes], first_byte: float = FIRST_BYTE, environment: dict[bytes, bytes] = posix.environ
) -> Answer | None:
    """What the agent of this environment's vault answers, or None: none is to be asked, none is there, or it is odd.

    `environment`: where a program has changed its own since it began.
    """
    if environment.get(b"KEYVAULT_NO_AGENT") or any(environment.get(name) for name in NOT_ASKED):
        return None
    path = socket_path(environment)
    return None if path is None else exchange(path, verb, arguments, WHOLE_ANSWER, first_byte, environment)


def exchange(
    path: bytes,
    verb: bytes,
    arguments: list[bytes],
    patience: float,
    first_byte: float = FIRST_BYTE,
    environment: dict[bytes, bytes] = posix.environ,
) -> Answer | None:
    """One request at the socket `path`, with `first_byte` seconds until the answer begins, and `patience` for its rest."""
    if unanswered.get(path, 0) >= first_byte or not private_folder(path.rpartition(b"/")[0]):
        return None
    began = monotonic()
    try:
        streams = [_stream(fd) for fd in (0, 1, 2)]
        columns = posix.get_terminal_size(1).columns if streams[1] == b"1" else 0
        about = [b"1", verb, posix.getcwdb(), b"".join(streams) + b",%d" % columns, b"%d" % len(arguments)]
        body = b"\0".join([*about, *arguments, *(b"%b=%b" % pair for pair in environment.items())])
        if len(body) > LARGEST_REQUEST:
            return None
        posix.lstat(path)
        return parse(_talk(path, len(body).to_bytes(4, "big") + body, first_byte, patience))
    except TimeoutError:
        unanswered[path] = max(first_byte, monotonic() - began)
    except OSError:
        pass
    return None


def _stream(fd: int) -> bytes:
    posix.fstat(fd)  # the slow path says what a closed stream means
    return b"%d" % posix.isatty(fd)


def _talk(path: bytes, message: bytes, first_byte: float, patience: float) -> bytes:
    """The rest of an answer, after its length. Raises OSError."""
    connection = _connected(path, monotonic() + first_byte, message)
    try:
        deadline = monotonic() + patience
        size = int.from_bytes(_read(connection, 4, deadline), "big")
        if not 2 <= size <= LARGEST_ANSWER:
            raise OSError
        return _read(connection, size, deadline)
    finally:
        connection.close()


def _connected(path: bytes, deadline: float, message: bytes) -> "Socket":
    connection = connect(path, deadline)
    try:
        connection.settimeout(max(deadline - monotonic(), 0.001))
        connection.sendall(message)
        if _read(connection, 1, deadline) != b"A":
            raise OSError
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: bytes, deadline: float = 0.0) -> "Socket":
    """A connection to an agent of this very user, tried again until the deadline while too many wait. Raises OSError."""
    try:
        from _socket import AF_UNIX, SOCK_STREAM  # half a millisecond; the module around it, ten
        from _socket import socket as new_socket
    except ImportError:
        from socket import AF_UNIX, SOCK_STREAM
        from socket import socket as new_socket  # type: ignore[assignment]
    connection = new_socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.settimeout(FIRST_BYTE)
        while True:
            try:
                connection.connect(path)
                break
            except BlockingIOError:
                if monotonic() >= deadline:
                    raise TimeoutError from None
                sleep(0.005)
        if peer(connection)[0] != posix.geteuid():
            raise OSError
    except BaseException:
        connection.close()
        raise
    return connection


def peer(connection: "Socket") -> tuple[int, int]:
    """The user and the process at the other end, as the kernel tells. Raises OSError."""
    if sys.platform == "linux":
        told = connection.getsockopt(1, 17, 12)  # SOL_SOCKET, SO_PEERCRED: struct ucred, unix(7)
        return int.from_bytes(told[4:8], sys.byteorder), int.from_bytes(told[:4], sys.byteorder)
    told = connection.getsockopt(0, 1, 76)  # SOL_LOCAL, LOCAL_PEERCRED: struct xucred
    process = connection.getsockopt(0, 2, 4)  # LOCAL_PEERPID
    return int.from_bytes(told[4:8], sys.byteorder), int.from_bytes(process, sys.byteorder)


def _read(connection: "Socket", size: int, deadline: float) -> bytes:
    parts = []
    while size:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise OSError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def parse(rest: bytes) -> Answer | None:
    """Status, exit code and chunks; None where a length does not fit."""
    chunks, at = [], 2
    while at < len(rest):
        size = int.from_bytes(rest[at + 1 : at + 5], "big")
        if len(rest) < at + 5 + size or not OUT <= rest[at] <= DATA:
            return None
        chunks.append((rest[at], rest[at + 5 : at + 5 + size]))
        at += 5 + size
    return rest[0], rest[1], chunks


def _show(chunks: list[tuple[int, bytes]], code: int) -> int:
    """Write the output in its order; the exit code, or the one of a stdout that cannot be written to."""
    for stream, content in chunks:
        try:
            left = content if stream != DATA else b""
            while left:
                left = left[posix.write(stream, left) :]
        except BrokenPipeError:
            if stream == OUT:
                return READER_GONE
        except OSError as exc:
            if stream == OUT:
                reason = (exc.strerror or "error").lower()
                said = f"keyvault: error: cannot write the output: {reason}\nkeyvault: hint: see where the output goes\n"
                return _show([(ERR, said.encode())], 1)
    return code


def program_of(arguments: list[bytes], chunks: list[tuple[int, bytes]]) -> tuple[list[bytes], dict[bytes, bytes]] | None:
    """The program among the words of `run`, and its environment; None where the answer does not tell."""
    index, _, block = b"".join(content for stream, content in chunks if stream == DATA).partition(b"\0")
    at = int(index) if index.isdigit() and len(index) <= 6 else 0
    entries = [entry.partition(b"=") for entry in block.split(b"\0")]
    if not 0 < at < len(arguments) or not all(name and equals for name, equals, _ in entries):
        return None
    return arguments[at:], {name: value for name, _, value in entries}


def _become(arguments: list[bytes], chunks: list[tuple[int, bytes]]) -> None:
    """Become the program of `run`, found as execvp(3) would; returns where that fails, and the slow path says why."""
    found = program_of(arguments, chunks)
    if found is None:
        return
    import _signal  # type: ignore[import-not-found]  # the module around it makes enums

    program, variables = found
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)  # as keyvault.environment.become does
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    folders = [b""] if b"/" in program[0] else variables.get(b"PATH", b"/bin:/usr/bin").split(b":")
    for folder in folders:
        try:
            posix.execve(folder + b"/" + program[0] if folder else program[0], program, variables)
        except OSError:
            continue
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_IGN)


# -- where the agent of a vault is


def socket_path(environment: dict[bytes, bytes]) -> bytes | None:
    """The socket of the agent for the vault that this environment names; None where its path is not a plain one."""
    home = environment.get(b"KEYVAULT_HOME") or _below(environment, b"XDG_DATA_HOME", _DATA, b"/keyvault")
    folder = socket_folder(environment)
    return None if not home or not is_plain(home) or not folder else socket_in(folder, home)


_DATA = b"/Library/Application Support" if sys.platform == "darwin" else b"/.local/share"  # as platformdirs has it


def socket_folder(environment: dict[bytes, bytes]) -> bytes | None:
    """The folder of the sockets: in the login session's own, which is empty after it; else in the state folder."""
    runtime = environment.get(b"XDG_RUNTIME_DIR", b"")
    if runtime.startswith(b"/"):
        return runtime + b"/keyvault"
    return _below(environment, b"XDG_STATE_HOME", b"/.local/state", b"/keyvault/run")


def _below(environment: dict[bytes, bytes], variable: bytes, usual: bytes, rest: bytes) -> bytes | None:
    base = environment.get(variable, b"") or (environment[b"HOME"] + usual if environment.get(b"HOME") else b"")
    return base + rest if base.startswith(b"/") and base == base.strip() else None


def is_plain(path: bytes) -> bool:
    """A path from the root on that has one spelling: what is not, os.path.abspath would change."""
    return path.startswith(b"/") and not any(part in (b"", b".", b"..") for part in path.split(b"/")[1:])


def socket_in(folder: bytes, home: bytes) -> bytes | None:
    """A vault's socket: FNV-1a of its folder's path, which is easily told in C too. The agent compares the path itself."""
    name = 0xCBF29CE484222325
    for byte in home:
        name = (name ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    path = folder + b"/%016x.sock" % name
    return path if len(path) <= LONGEST_PATH else None


def private_folder(folder: bytes) -> bool:
    """A real folder, of this user, closed to others."""
    try:
        info = posix.lstat(folder)
    except OSError:
        return False
    return info.st_mode == 0o040700 and info.st_uid == posix.geteuid()
