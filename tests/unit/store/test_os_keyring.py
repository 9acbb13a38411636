from __future__ import annotations

import base64
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import venv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import secret_service
import secretstorage
from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    new_error,
    new_method_call,
    new_method_return,
    new_signal,
)
from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import Proxy, open_dbus_connection  # type: ignore[import-untyped]

from keyvault.core.errors import InvalidInput, KeyvaultError, Unreachable
from keyvault.store import os_keyring
from keyvault.store.os_keyring import (
    Item,
    KeyringDismissed,
    KeyringLocked,
    KeyringTimeout,
    KeyringUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service and /proc are Linux's"),
    pytest.mark.skipif(bool(secret_service.MISSING), reason=f"not installed: {secret_service.MISSING}"),
]

ITEM = Item("keyvault", f"{secrets.token_hex(16)}/{secrets.token_hex(16)}")
SECRET = hashlib.sha256(b"canary").digest()  # the same in every worker: it is in the names of tests
SPELLINGS = (
    SECRET,
    SECRET.hex().encode(),
    SECRET.hex().upper().encode(),
    base64.b64encode(SECRET),
    base64.urlsafe_b64encode(SECRET).rstrip(b"="),
)


def enter(session: secret_service.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in session.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_service.SecretService]:
    with secret_service.running() as service:
        enter(service, monkeypatch)
        yield service


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[secret_service.Session]:
    with secret_service.bare_session() as session:
        enter(session, monkeypatch)
        yield session


def took(start: float) -> float:
    return time.monotonic() - start


def children() -> set[int]:
    found: set[int] = set()
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children", encoding="ascii") as file:
            found.update(map(int, file.read().split()))
    return found


def proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def helpers(item: Item) -> list[int]:
    """Processes of anybody that have this item's name among their arguments, as the helper has."""
    wanted = b"\0" + item.user.encode() + b"\0"
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and wanted in proc(int(pid), "cmdline")]


def wait_until(is_so: Callable[[], object], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)


def everything_told(error: BaseException) -> bytes:
    """All the text that an error and those behind it could put into a message or a traceback."""
    told: list[str] = []
    link: BaseException | None = error
    while link:
        told += [str(link), repr(link), repr(link.args), getattr(link, "message", ""), getattr(link, "hint", "")]
        link = link.__cause__ or link.__context__
    return "\n".join(told).encode()


def files_below(folder: str) -> dict[str, bytes]:
    found = {}
    for place, _folders, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


# --- a working keyring ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("keyring")
def test_a_secret_goes_in_comes_out_and_is_gone_after_delete() -> None:
    assert os_keyring.probe() == "SecretService"
    os_keyring.write(ITEM, SECRET)
    assert os_keyring.read(ITEM) == SECRET
    os_keyring.delete(ITEM)
    assert os_keyring.read(ITEM) is None


@pytest.mark.usefixtures("keyring")
def test_writing_again_replaces_and_other_items_stay() -> None:
    other = Item("keyvault", "ab/cd")
    os_keyring.write(other, bytes(32))
    os_keyring.write(ITEM, SECRET)
    os_keyring.write(ITEM, SECRET[::-1])
    assert os_keyring.read(ITEM) == SECRET[::-1]
    os_keyring.delete(ITEM)
    assert os_keyring.read(ITEM) is None
    assert os_keyring.read(other) == bytes(32)


@pytest.mark.usefixtures("keyring")
def test_a_missing_item_reads_as_none_and_deletes_without_complaint() -> None:
    assert os_keyring.read(ITEM) is None
    os_keyring.delete(ITEM)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("size", [0, 31, 33])
def test_only_a_whole_unlock_secret_is_written(size: int) -> None:
    with pytest.raises(InvalidInput):
        os_keyring.write(ITEM, bytes(size))
    assert os_keyring.read(ITEM) is None


@pytest.mark.parametrize("user", ["", "a b", "-x", "a\nb", "a\0b", "ü", "x" * 201])
def test_a_name_that_could_be_misread_is_refused(user: str) -> None:
    with pytest.raises(InvalidInput):
        os_keyring.read(Item("keyvault", user))


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"hello\nworld",
        SECRET,
        SECRET.hex().encode()[:-2],
        SECRET.hex().encode() + b"00",
        SECRET.hex().upper().encode(),
        b"\xff\xfe",
        b"x" * 100_000,
    ],
)
def test_what_keyvault_did_not_write_is_not_taken_for_a_secret(foreign: bytes) -> None:
    connection = secretstorage.dbus_init()
    attributes = {"service": ITEM.service, "username": ITEM.user}
    secretstorage.get_default_collection(connection).create_item("foreign", attributes, foreign)
    connection.close()
    with pytest.raises(KeyringUnavailable, match="does not hold what keyvault wrote"):
        os_keyring.read(ITEM)


def test_the_session_bus_is_found_in_the_runtime_folder_when_no_address_is_given(
    keyring: secret_service.SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", keyring.folder)
    os_keyring.write(ITEM, SECRET)
    assert os_keyring.read(ITEM) == SECRET


@pytest.mark.usefixtures("keyring")
def test_many_may_ask_at_once() -> None:
    items = [Item("keyvault", f"{number:02x}/00") for number in range(6)]
    failed: list[BaseException] = []

    def work(item: Item, secret: bytes) -> None:
        try:
            os_keyring.write(item, secret, timeout=30)
            assert os_keyring.read(item, timeout=30) == secret
        except (KeyvaultError, AssertionError) as exc:
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(item, secrets.token_bytes(32))) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_importing_and_using_it_loads_no_keyring_into_this_process(keyring: secret_service.SecretService) -> None:
    script = (
        "import sys; before = set(sys.modules); import keyvault.store.os_keyring as k; loaded = set(sys.modules) - before;"
        "costly = {'subprocess', 'socket', 'tempfile', 'pathlib', 'logging', 'dataclasses', 'json', 'shutil'} & loaded;"
        "assert not costly, costly; k.probe(); assert not {'keyring', 'secretstorage', 'jeepney'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", script], env={**os.environ, **keyring.environment}, check=True)


# --- locked, dismissed, none, hanging ---------------------------------------------------------------------------------


def test_a_locked_keyring_is_told_at_once_and_not_as_a_missing_item(keyring: secret_service.SecretService) -> None:
    os_keyring.write(ITEM, SECRET)
    keyring.lock()
    for call in (
        os_keyring.probe,
        lambda: os_keyring.read(ITEM),
        lambda: os_keyring.write(ITEM, SECRET),
        lambda: os_keyring.delete(ITEM),
    ):
        start = time.monotonic()
        with pytest.raises(KeyringLocked) as caught:
            call()
        assert took(start) < 2
        assert "passphrase still unlocks" in caught.value.hint
    assert keyring.is_locked()


def test_gnome_keyring_without_anything_to_show_its_dialog_counts_as_dismissed(
    keyring: secret_service.SecretService,
) -> None:
    keyring.lock()
    with pytest.raises(KeyringDismissed):
        os_keyring.read(ITEM, timeout=20, interactive=True)


def test_a_person_who_cancels_gnome_keyrings_dialog_is_asked_once_and_believed(
    keyring: secret_service.SecretService,
) -> None:
    keyring.lock()
    with cancelling_prompter(keyring.address) as shown:
        with pytest.raises(KeyringLocked):
            os_keyring.read(ITEM)
        assert shown == []
        with pytest.raises(KeyringDismissed) as caught:
            os_keyring.read(ITEM, timeout=20, interactive=True)
        assert len(shown) == 1
    assert "dismissed" in caught.value.message
    assert "passphrase still unlocks" in caught.value.hint


def test_a_dialog_that_nobody_answers_times_out_and_the_helper_is_gone(keyring: secret_service.SecretService) -> None:
    keyring.lock()
    with cancelling_prompter(keyring.address, answer=False) as shown:
        before = children()
        start = time.monotonic()
        with pytest.raises(KeyringTimeout):
            os_keyring.read(ITEM, timeout=1.5, interactive=True)
        assert took(start) < 2
        assert len(shown) == 1
        assert children() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: os_keyring.probe(1.0),
        lambda: os_keyring.read(ITEM, timeout=1.0),
        lambda: os_keyring.write(ITEM, SECRET, timeout=1.0),
        lambda: os_keyring.delete(ITEM, timeout=1.0),
    ],
)
def test_a_hanging_keyring_times_out_and_leaves_no_process(
    keyring: secret_service.SecretService, call: Callable[[], object]
) -> None:
    keyring.hang()
    before = children()
    start = time.monotonic()
    with pytest.raises(KeyringTimeout) as caught:
        call()
    assert took(start) <= 1.5
    assert children() == before
    assert helpers(ITEM) == []
    assert "did not answer in 1." in caught.value.message
    assert "passphrase still unlocks" in caught.value.hint


@pytest.mark.parametrize("greets", [False, True])
def test_a_bus_that_accepts_and_never_answers_times_out(greets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{tmp_path}/bus"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        held: list[socket.socket] = []

        def greet() -> None:
            connection, _ = listener.accept()
            held.append(connection)
            connection.recv(1000)
            connection.sendall(b"OK 00000000000000000000000000000000\r\n")

        if greets:
            threading.Thread(target=greet, daemon=True).start()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={path}")
        before = children()
        start = time.monotonic()
        with pytest.raises(KeyringTimeout):
            os_keyring.probe()
        assert took(start) <= 3.5
        assert children() == before
        assert len(held) == greets
        for connection in held:
            connection.close()


def test_without_a_bus_it_is_unavailable_at_once_and_none_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":77")
    start = time.monotonic()
    for call in (os_keyring.probe, lambda: os_keyring.read(ITEM), lambda: os_keyring.write(ITEM, SECRET)):
        with pytest.raises(KeyringUnavailable, match="no D-Bus session") as caught:
            call()
        assert "passphrase still unlocks" in caught.value.hint
    assert took(start) < 0.5


@pytest.mark.parametrize("kind", ["gone", "stale", "file"])
def test_a_bus_address_behind_which_nothing_listens_is_unavailable(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bus"
    if kind == "stale":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif kind == "file":
        path.touch()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={path}")
    with pytest.raises(KeyringUnavailable, match="the keyring cannot be used: "):
        os_keyring.probe(20)


@pytest.mark.parametrize("kind", ["file", "foreign"])
def test_what_is_no_bus_of_ours_in_the_runtime_folder_is_not_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "bus"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "file":
            path.touch()
        elif os.getuid() != 0:
            pytest.skip("only root can give a socket away")
        else:
            listener.bind(str(path))
            listener.listen()
            os.chown(path, 65534, 65534)
        with pytest.raises(KeyringUnavailable, match="no D-Bus session"):
            os_keyring.probe()


@pytest.mark.parametrize("address", ["autolaunch:", "unixexec:path={program}", "tcp:host=127.0.0.1,port=9", "nonsense", ";"])
def test_an_address_that_starts_a_program_or_leaves_the_machine_is_not_followed(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o700)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address.format(program=program))
    with pytest.raises(KeyringUnavailable, match="does not name a local socket"):
        os_keyring.probe()
    assert not (tmp_path / "started").exists()


@pytest.mark.usefixtures("bus")
def test_a_bus_without_a_keyring_is_unavailable() -> None:
    with pytest.raises(KeyringUnavailable, match="no Secret Service"):
        os_keyring.probe(20)


def test_a_keyring_that_died_is_unavailable(keyring: secret_service.SecretService) -> None:
    keyring.kill()
    with pytest.raises(KeyringUnavailable, match="no Secret Service"):
        os_keyring.read(ITEM, timeout=20)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/", "no default collection"), ("/org/freedesktop/secrets/collection/session", "only until logout")],
)
def test_no_collection_is_made_and_a_passing_one_is_refused(path: str, reason: str, bus: secret_service.Session) -> None:
    with fake_service(bus.address, ReadAlias=lambda _body: ("o", (path,))) as calls:
        with pytest.raises(KeyringUnavailable, match=reason):
            os_keyring.write(ITEM, SECRET, timeout=20, interactive=True)
        assert not {"CreateCollection", "CreateItem", "Prompt"} & set(calls)


@pytest.mark.usefixtures("bus")
def test_every_failure_is_an_unreachable_service_to_its_caller() -> None:
    with pytest.raises(Unreachable):
        os_keyring.read(ITEM, timeout=20)


# --- other Secret Services, and hostile ones --------------------------------------------------------------------------


def test_a_collection_with_an_empty_password_opens_without_a_dialog(bus: secret_service.Session) -> None:
    locked = [True]

    def unlock(body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        locked[0] = False
        return "aoo", (body[0], "/")

    with fake_service(bus.address, Locked=lambda _: ("v", (("b", locked[0]),)), Unlock=unlock) as calls:
        assert os_keyring.read(ITEM, timeout=20) is None
        assert "Prompt" not in calls


def test_a_locked_item_in_an_open_collection_is_locked_and_shows_no_dialog(bus: secret_service.Session) -> None:
    def is_locked(body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        return "v", (("b", body == ("org.freedesktop.Secret.Item", "Locked")),)

    found = {"SearchItems": lambda _body: ("ao", (["/item/1"],)), "Locked": is_locked}
    with fake_service(bus.address, **found) as calls:
        with pytest.raises(KeyringLocked):
            os_keyring.read(ITEM, timeout=20)
        assert "Prompt" not in calls
        with pytest.raises(KeyringDismissed):
            os_keyring.read(ITEM, timeout=20, interactive=True)
        assert calls.count("Prompt") == 1


def test_a_keyring_that_keeps_something_else_is_found_out(bus: secret_service.Session) -> None:
    stored: list[str] = []

    def create(_body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        stored.append("/item/1")
        return "oo", ("/item/1", "/")

    with (
        fake_service(
            bus.address,
            CreateItem=create,
            SearchItems=lambda _body: ("ao", (stored,)),
            GetSecret=lambda _body: ("(oayays)", (("/session/1", b"", SECRET[::-1].hex().encode(), "text/plain"),)),
        ),
        pytest.raises(KeyringUnavailable, match="did not keep"),
    ):
        os_keyring.write(ITEM, SECRET, timeout=20)


def test_an_error_that_quotes_the_secret_is_not_passed_on(bus: secret_service.Session) -> None:
    seen: list[str] = []

    def create(body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        text = bytes(body[1][2]).decode()
        seen.append(text)
        raise Refused(f"org.example.k{text}", f"cannot store {text}")

    with fake_service(bus.address, CreateItem=create), pytest.raises(KeyringUnavailable) as caught:
        os_keyring.write(ITEM, SECRET, timeout=20)
    assert seen == [SECRET.hex()]
    told = everything_told(caught.value)
    assert b"refused" in told
    assert not any(spelling in told for spelling in SPELLINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ReadAlias": lambda _body: ("i", (7,))},
        {"ReadAlias": lambda _body: ("", ())},
        {"Locked": lambda _body: ("s", ("what",))},
        {"SearchItems": lambda _body: ("s", (SECRET.hex(),))},
        {
            "SearchItems": lambda _body: ("ao", (["/item/1"],)),
            "GetSecret": lambda _body: ("(oayays)", (("/session/1", b"", b"\xff" + SECRET, "text/plain"),)),
        },
        {
            "SearchItems": lambda _body: ("ao", (["/item/1"],)),
            "GetSecret": lambda _body: ("(osss)", (("/session/1", "", SECRET.hex(), "text/plain"),)),
        },
    ],
)
def test_nonsense_from_the_service_is_refused_and_told_without_the_secret(
    wrong: dict[str, Any], bus: secret_service.Session
) -> None:
    with fake_service(bus.address, **wrong), pytest.raises(KeyringUnavailable) as caught:
        os_keyring.read(ITEM, timeout=20)
    told = everything_told(caught.value)
    assert not any(spelling in told for spelling in SPELLINGS)


# --- plug-ins, plain text and other ways in ---------------------------------------------------------------------------


def python_with_keyvault(tmp_path: Path) -> Path:
    """Make a Python of its own that has what this one has. Returns its site-packages."""
    venv.create(tmp_path / "python", symlinks=True)
    (site,) = (tmp_path / "python" / "lib").glob("python*/site-packages")
    (site / "keyvault-test.pth").write_text("\n".join(p for p in sys.path if os.path.isabs(p) and "tests" not in p))
    return site


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A Python with keyvault, keyring and an installed plug-in that keeps secrets in a plain file, and says it is the best."""
    site = python_with_keyvault(tmp_path)
    (site / "plain_keyring.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'a').close()\n"
        "import keyring.backend\n"
        "class Plain(keyring.backend.KeyringBackend):\n"
        "    priority = 99\n"
        "    def get_password(self, service, user):\n"
        "        return None\n"
        "    def set_password(self, service, user, password):\n"
        f"        with open({str(tmp_path / 'plain')!r}, 'a') as file:\n"
        "            file.write(password)\n"
    )
    (site / "plain_keyring-1.dist-info").mkdir()
    (site / "plain_keyring-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-keyring\nVersion: 1\n")
    return tmp_path


def advertise(trap: Path, route: str) -> dict[str, str]:
    """Install the plug-in by one of keyring's three routes. Returns the variables that this takes."""
    if route == "entry point":
        (site,) = (trap / "python" / "lib").glob("python*/site-packages")
        (site / "plain_keyring-1.dist-info" / "entry_points.txt").write_text("[keyring.backends]\nplain = plain_keyring\n")
        return {}
    if route == "keyringrc.cfg":
        folder = trap / "config" / "python_keyring"
        folder.mkdir(parents=True)
        (folder / "keyringrc.cfg").write_text("[backend]\ndefault-keyring=plain_keyring.Plain\n")
        return {"XDG_CONFIG_HOME": str(trap / "config")}
    return {"PYTHON_KEYRING_BACKEND": "plain_keyring.Plain"}


ROUTES = ["entry point", "keyringrc.cfg", "variable"]


@pytest.mark.parametrize("route", ROUTES)
def test_the_trap_catches_keyring_itself(route: str, trap: Path, keyring: secret_service.SecretService) -> None:
    variables = advertise(trap, route)
    subprocess.run(
        [trap / "python" / "bin" / "python", "-c", "import keyring; keyring.set_password('keyvault', 'a/b', 'known')"],
        env={**os.environ, **keyring.environment, **variables},
        check=True,
    )
    assert (trap / "imported").exists()
    assert (trap / "plain").read_text() == "known"


@pytest.mark.parametrize("there_is_a_keyring", [True, False])
def test_no_plug_in_is_imported_and_nothing_plain_is_written(
    there_is_a_keyring: bool, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secret_service.running() if there_is_a_keyring else secret_service.bare_session() as session:
        enter(session, monkeypatch)
        for route in ROUTES:
            for name, value in advertise(trap, route).items():
                monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "executable", str(trap / "python" / "bin" / "python"))
        if there_is_a_keyring:
            assert os_keyring.probe(20) == "SecretService"
            os_keyring.write(ITEM, SECRET, timeout=20)
            assert os_keyring.read(ITEM, timeout=20) == SECRET
        else:
            with pytest.raises(KeyringUnavailable, match="no Secret Service"):
                os_keyring.probe(20)
            with pytest.raises(KeyringUnavailable, match="no Secret Service"):
                os_keyring.write(ITEM, SECRET, timeout=20)
        assert not (trap / "imported").exists()
        assert not (trap / "plain").exists()
        files = files_below(session.folder) | files_below(str(trap / "config"))
        assert files
        assert [path for path, content in files.items() if any(s in content for s in SPELLINGS)] == []


@pytest.mark.usefixtures("keyring")
def test_modules_in_the_current_folder_and_on_pythonpath_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("keyvault", "keyring", "secretstorage", "jeepney", "sitecustomize", "usercustomize", "re", "resource"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "keyvault.py"))
    os_keyring.write(ITEM, SECRET, timeout=20)
    assert os_keyring.read(ITEM, timeout=20) == SECRET
    assert not (tmp_path / "imported").exists()


@pytest.mark.usefixtures("keyring")
def test_variables_that_steer_keyring_are_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYRING_PROPERTY_PREFERRED_COLLECTION", "/org/freedesktop/secrets/collection/session")
    monkeypatch.setenv("KEYRING_PROPERTY_SCHEME", "KeePassXC")
    os_keyring.write(ITEM, SECRET)
    connection = secretstorage.dbus_init()
    collection = secretstorage.get_collection_by_alias(connection, "default")
    found = list(collection.search_items({"service": ITEM.service, "username": ITEM.user}))
    connection.close()
    assert len(found) == 1


# --- the helper process -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is shown what a process that forbids it was given")
def test_the_secret_is_in_no_arguments_or_variables_and_the_users_keys_are_not_handed_on(
    keyring: secret_service.SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = {
        "KEYVAULT_PASSPHRASE": "canary-passphrase",
        "OPENAI_API_KEY": "canary-key",
        "LD_LIBRARY_PATH": "/canary",
        "PYTHONPATH": "/canary",
        "SSH_AUTH_SOCK": "/canary",
    }
    for name, value in private.items():
        monkeypatch.setenv(name, value)
    keyring.hang()
    caught: list[BaseException] = []

    def write() -> None:
        try:
            os_keyring.write(ITEM, SECRET, timeout=1.5)
        except KeyvaultError as exc:
            caught.append(exc)

    known = children()
    thread = threading.Thread(target=write)
    thread.start()
    samples: list[bytes] = []
    limits = b""
    while thread.is_alive():
        for pid in children() - known:
            samples += [proc(pid, "cmdline"), proc(pid, "environ")]
            limits = proc(pid, "limits") or limits
        time.sleep(0.005)
    thread.join()
    assert any(b"keyring_helper\0write\0quiet\0keyvault\0" in sample for sample in samples)
    assert any(keyring.address.encode() in sample for sample in samples)
    assert not any(spelling in sample for sample in samples for spelling in SPELLINGS)
    helper = [sample for sample in samples if b"DBUS_SESSION_BUS_ADDRESS=" in sample]
    assert not any(name.encode() + b"=" in sample or b"canary" in sample for sample in helper for name in private)
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith(b"Max core")] == [[b"0", b"0"]]
    (error,) = caught
    assert isinstance(error, KeyringTimeout)
    assert not any(spelling in everything_told(error) for spelling in SPELLINGS)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_helper_outlives_the_one_who_asked(how: signal.Signals, keyring: secret_service.SecretService) -> None:
    item = Item("keyvault", f"{secrets.token_hex(16)}/{secrets.token_hex(16)}")
    keyring.hang()
    script = "import sys, keyvault.store.os_keyring as k; k.read(k.Item(sys.argv[1][1:9], sys.argv[1][10:]), timeout=60)"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script, f".keyvault/{item.user}"],
        env={**os.environ, **keyring.environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: helpers(item))
        time.sleep(0.5)  # let it get as far as asking the keyring
        (helper,) = helpers(item)
        process.send_signal(how)
        assert process.wait(10) != 0
        wait_until(lambda: helper not in helpers(item), 3)
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("raises", [False, True])
def test_a_library_that_prints_the_secret_is_not_heard(raises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os_keyring.write(ITEM, SECRET)
    (python_with_keyvault(tmp_path) / "sitecustomize.py").write_text(
        "import sys\n"
        "from keyring.backends.SecretService import Keyring\n"
        "usual = Keyring.get_password\n"
        "def talkative(*arguments):\n"
        "    found = usual(*arguments)\n"
        "    print('done', found, sep='\\n', flush=True)\n"
        "    print(found, file=sys.stderr, flush=True)\n"
        f"    if {raises}:\n"
        "        raise ValueError(found)\n"
        "    return found\n"
        "Keyring.get_password = talkative\n"
        "import secretstorage, keyring.backends\n"
        "class Loud(type(keyring.backends)):\n"
        "    def __getattribute__(self, name):\n"
        "        if name == 'SecretService':\n"
        "            print('loaded', flush=True)\n"
        "        return super().__getattribute__(name)\n"
        "keyring.backends.__class__ = Loud\n"
    )
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "bin" / "python"))
    if not raises:
        assert os_keyring.read(ITEM, timeout=20) == SECRET
        return
    with pytest.raises(KeyringUnavailable) as caught:
        os_keyring.read(ITEM, timeout=20)
    assert caught.value.message == "the keyring's helper process failed: ValueError"
    assert not any(spelling in everything_told(caught.value) for spelling in SPELLINGS)


def pretend(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script where Python should be: a helper gone wrong."""
    program = tmp_path / "helper"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")


HEX = SECRET.hex()


def test_a_well_formed_answer_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(f"printf 'done\\n{HEX}\\n'", tmp_path, monkeypatch)
    assert os_keyring.read(ITEM, timeout=20) == SECRET


@pytest.mark.parametrize(
    "script",
    [
        "true",
        "printf 'done\\n'",
        f"printf 'done\\n{HEX}'",
        f"printf '{HEX}\\n'",
        f"printf 'done\\n{HEX}\\n\\n'",
        f"printf 'warning: x\\ndone\\n{HEX}\\n'",
        f"printf 'done\\n{HEX}\\ndone\\n{HEX}\\n'",
        f"printf 'done\\n{HEX.upper()}\\n'",
        f"printf 'done\\n {HEX}\\n'",
        f"printf 'done\\n{HEX[:-2]}\\n'",
        f"printf 'done\\r\\n{HEX}\\r\\n'",
        f"printf 'done\\n{HEX}\\n'; exit 3",
        f"printf 'done\\n{HEX}\\n'; kill -9 $$",
        f"printf 'fine\\n{HEX}\\n'",
        "printf 'done\\n\\033]0;owned\\007\\n'",
        "printf '\\377\\376\\000'",
        "head -c 3000000 /dev/zero",
        "printf 'missing\\n\\n'; exit 1",
    ],
)
def test_garbage_from_the_helper_is_refused(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(script, tmp_path, monkeypatch)
    with pytest.raises(KeyringUnavailable) as caught:
        os_keyring.read(ITEM, timeout=20)
    told = everything_told(caught.value)
    assert not any(spelling in told for spelling in SPELLINGS)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_what_a_failed_helper_says_is_shown_escaped_and_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(
        "head -c 200000 /dev/zero | tr '\\0' x >&2; printf '\\n\\033]0;owned\\007broken' >&2; exit 1", tmp_path, monkeypatch
    )
    with pytest.raises(KeyringUnavailable) as caught:
        os_keyring.read(ITEM, timeout=20)
    assert caught.value.message == r"the keyring's helper process failed: \x1b]0;owned\x07broken"


def test_a_helper_that_cannot_import_keyring_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "python", symlinks=True)
    (site,) = (tmp_path / "python" / "lib").glob("python*/site-packages")
    (site / "keyvault-test.pth").write_text(os.path.dirname(os.path.dirname(os_keyring.__file__)).removesuffix("/keyvault"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "bin" / "python"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with pytest.raises(KeyringUnavailable, match=r"the Python package (keyring|secretstorage) cannot be imported"):
        os_keyring.read(ITEM, timeout=20)


@pytest.mark.parametrize("executable", ["/nonexistent/python", ""])
def test_a_helper_that_does_not_start_is_unavailable(executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(KeyringUnavailable, match="does not start"):
        os_keyring.probe()


def test_a_helper_and_what_it_started_are_killed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(f"sleep 60 & echo $! > {tmp_path}/pid; wait", tmp_path, monkeypatch)
    start = time.monotonic()
    with pytest.raises(KeyringTimeout):
        os_keyring.read(ITEM, timeout=0.5)
    assert took(start) < 1
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not proc(pid, "cmdline"), 3)


# --- stand-ins on the bus ---------------------------------------------------------------------------------------------


class Refused(Exception):
    """Makes a stand-in answer with a D-Bus error."""


@contextmanager
def on_the_bus(address: str, name: str, serve: Callable[[Any, Message], None]) -> Iterator[None]:
    """Own `name` on the bus, and hand every method call that comes in to `serve`, in a thread."""
    ready = threading.Event()
    over = threading.Event()
    failures: list[BaseException] = []

    def loop() -> None:
        with open_dbus_connection(address) as connection:
            Proxy(message_bus, connection).RequestName(name)
            ready.set()
            while not over.is_set():
                try:
                    message = connection.receive(timeout=0.05)
                except TimeoutError:
                    continue
                if message.header.message_type is MessageType.method_call:
                    try:
                        serve(connection, message)
                    except Exception as exc:
                        failures.append(exc)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        over.set()
        thread.join()
    assert failures == []


@contextmanager
def fake_service(address: str, **special: Callable[[tuple[Any, ...]], tuple[str, tuple[Any, ...]]]) -> Iterator[list[str]]:
    """A Secret Service with an open, empty default collection and prompts that are always dismissed, but for `special`.

    Yields the names of the methods that were called, in order.
    """
    calls: list[str] = []
    usual: dict[str, Callable[[tuple[Any, ...]], tuple[str, tuple[Any, ...]]]] = {
        "ReadAlias": lambda _body: ("o", ("/org/freedesktop/secrets/collection/login",)),
        "Label": lambda _body: ("v", (("s", "login"),)),
        "Locked": lambda _body: ("v", (("b", False),)),
        "Unlock": lambda _body: ("aoo", ([], "/prompt/1")),
        "SearchItems": lambda _body: ("ao", ([],)),
        "Prompt": lambda _body: ("", ()),
    }

    def serve(connection: Any, message: Message) -> None:
        method = message.header.fields[HeaderFields.member]
        if method == "Get":
            method = message.body[1]
        calls.append(method)
        handler = special.get(method) or usual.get(method)
        try:
            if handler is None:  # OpenSession too: then the client sends secrets unwrapped, and the fake can read them
                if method == "OpenSession" and message.body[0] == "plain":
                    connection.send(new_method_return(message, "vo", (("s", ""), "/session/1")))
                    return
                raise Refused("org.freedesktop.DBus.Error.NotSupported", method)
            signature, body = handler(message.body)
            connection.send(new_method_return(message, signature, body))
        except Refused as refused:
            connection.send(new_error(message, refused.args[0], "s", (refused.args[1],)))
        if method == "Prompt":
            prompt = DBusAddress(message.header.fields[HeaderFields.path], interface="org.freedesktop.Secret.Prompt")
            connection.send(new_signal(prompt, "Completed", "bv", (True, ("ao", []))))

    with on_the_bus(address, "org.freedesktop.secrets", serve):
        yield calls


@contextmanager
def cancelling_prompter(address: str, *, answer: bool = True) -> Iterator[list[str]]:
    """What shows GNOME Keyring's dialogs, with a person who presses Cancel, or never comes. Yields the dialogs shown."""
    shown: list[str] = []

    def serve(connection: Any, message: Message) -> None:
        method = message.header.fields[HeaderFields.member]
        connection.send(new_method_return(message))
        callback = DBusAddress(
            message.body[0],
            message.header.fields[HeaderFields.sender],
            "org.gnome.keyring.internal.Prompter.Callback",
        )
        if method == "BeginPrompting":
            connection.send(new_method_call(callback, "PromptReady", "sa{sv}s", ("", {}, "")))
        elif method == "PerformPrompt":
            shown.append(message.body[1])
            if answer:
                connection.send(new_method_call(callback, "PromptReady", "sa{sv}s", ("no", {}, message.body[3])))
        elif method == "StopPrompting":
            connection.send(new_method_call(callback, "PromptDone"))

    with on_the_bus(address, "org.gnome.keyring.SystemPrompter", serve):
        yield shown
