"""A real GNOME Keyring on a D-Bus of its own, for tests. Touches no file, bus or keyring of whoever runs them.

    with secret_service.running() as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)

Works as root, without a display, and many at a time. Needs dbus-daemon and gnome-keyring-daemon.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, TypeVar

from jeepney import DBusAddress, DBusErrorResponse, MessageType, Properties, new_method_call  # type: ignore[import-untyped]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MISSING = [name for name in ("dbus-daemon", "gnome-keyring-daemon") if not shutil.which(name)]
PATIENCE = 20.0

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""  # without <servicedir>: nothing is started by asking for it, neither a second keyring nor a dialog
_SERVICE = DBusAddress("/org/freedesktop/secrets", "org.freedesktop.secrets", "org.freedesktop.Secret.Service")


class Session:
    """A D-Bus and the folders of a throw-away login session."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        self.environment = {
            "HOME": folder,
            "XDG_DATA_HOME": f"{folder}/data",
            "XDG_CONFIG_HOME": f"{folder}/config",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "DBUS_SESSION_BUS_ADDRESS": self.address,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("data", "config", "run"):
            os.mkdir(f"{folder}/{name}", 0o700)
        with open(f"{folder}/bus.conf", "w", encoding="utf-8") as file:
            file.write(_BUS.format(folder=folder))

    def start(self, command: list[str], given: bytes = b"") -> subprocess.Popen[bytes]:
        """Start a program in this session; it dies with the session, and with the thread that started it."""
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with open(f"{self.folder}/log", "ab") as log:
            process = subprocess.Popen(
                [*guard, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], **self.environment},
                start_new_session=True,
            )
        self._processes.append(process)
        assert process.stdin
        process.stdin.write(given)
        process.stdin.close()
        return process

    def call(self, address: DBusAddress, method: str, signature: str = "", *body: object) -> tuple[Any, ...]:
        """Call a D-Bus method as a client of its own, and return what it answers. Raises DBusErrorResponse."""
        with open_dbus_connection(self.address) as connection:
            reply = connection.send_and_get_reply(new_method_call(address, method, signature, body), timeout=PATIENCE)
        if reply.header.message_type is MessageType.error:
            raise DBusErrorResponse(reply)
        return tuple(reply.body)

    def wait_for_bus(self) -> None:
        """Return when the bus takes connections."""
        bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
        self._wait(lambda: bool(self.call(bus, "GetId")))

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, DBusErrorResponse):
                if is_so():
                    return
            if time.monotonic() > deadline:
                with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as log:
                    raise TimeoutError(f"the session did not come up: {log.read()[-2000:]}")
            time.sleep(0.01)

    def end(self) -> None:
        """Kill every program of this session, stopped ones too, and reap it."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class SecretService(Session):
    """GNOME Keyring with one unlocked collection, "login", which is the default one."""

    daemon: subprocess.Popen[bytes]

    def start_daemon(self, password: bytes = b"throw-away") -> None:
        """Start the daemon and unlock its collection, which is made on first use."""
        self.daemon = self.start(["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"], password)
        self._wait(lambda: self.default_collection() != "/")

    def default_collection(self) -> str:
        """The D-Bus path of the default collection; "/" if there is none."""
        (path,) = self.call(_SERVICE, "ReadAlias", "s", "default")
        return str(path)

    def lock(self) -> None:
        """Lock the default collection."""
        self.call(_SERVICE, "Lock", "ao", [self.default_collection()])

    def is_locked(self) -> bool:
        """Whether the default collection is locked."""
        collection = DBusAddress(self.default_collection(), "org.freedesktop.secrets", "org.freedesktop.Secret.Collection")
        with open_dbus_connection(self.address) as connection:
            ((_type, locked),) = connection.send_and_get_reply(Properties(collection).get("Locked")).body
        return bool(locked)

    def items(self) -> list[str]:
        """The D-Bus paths of all items of the default collection."""
        collection = DBusAddress(self.default_collection(), "org.freedesktop.secrets", "org.freedesktop.Secret.Collection")
        with open_dbus_connection(self.address) as connection:
            ((_type, paths),) = connection.send_and_get_reply(Properties(collection).get("Items")).body
        return list(paths)

    def set_default_collection(self, path: str) -> None:
        """Make another collection the default one; "/" for none."""
        self.call(_SERVICE, "SetAlias", "so", "default", path)

    def hang(self) -> None:
        """Stop the daemon: it stays on the bus and answers nothing."""
        os.kill(self.daemon.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill the daemon; the bus stays."""
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait()


_S = TypeVar("_S", bound=Session)


@contextlib.contextmanager
def bare_session() -> Iterator[Session]:
    """A session's D-Bus on which no keyring answers."""
    with _session(Session) as session:
        yield session


@contextlib.contextmanager
def running() -> Iterator[SecretService]:
    """A session with an unlocked keyring."""
    with _session(SecretService) as service:
        service.start_daemon()
        yield service


@contextlib.contextmanager
def _session(kind: type[_S]) -> Iterator[_S]:
    folder = tempfile.mkdtemp(prefix="kv-", dir="/tmp")  # short: a socket's path has room for 107 bytes
    session = kind(folder)
    try:
        session.start(
            ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile", "--nosyslog"],
        )
        session.wait_for_bus()
        yield session
    finally:
        session.end()
        shutil.rmtree(folder)
