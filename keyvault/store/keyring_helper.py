"""The helper process of `os_keyring`: one verb on the operating system's keyring, then exit. Only here: `keyring`.

    python -P -m keyvault.store.keyring_helper VERB ask|quiet SERVICE USER
    VERB    probe | read | write | delete | take
    stdin   one line, the secret in hex (empty but for `write`); then held open for as long as the answer is wanted
    stdout  two lines: done, missing, locked, dismissed, timeout, unavailable or failed;
            then the secret in hex (`read`; `take`: an item of another program's, without USER any of SERVICE), the keyring's
            name (`probe`), a reason, or nothing

The backend class is named here, one for each platform. `keyring.get_keyring()` is not used: it imports every installed
plug-in and obeys the user's keyringrc.cfg, and either can put secrets into a plain file.
stderr is closed before there is a secret in the process; from then on an exception is told by its class's name alone.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import TracebackType

    from keyring.backend import KeyringBackend
    from secretstorage import Collection, Item

_NAME = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, "SecretService")
_SECRETS = "/org/freedesktop/secrets"
_LARGEST_TAKEN = 64 * 1024
_NOT_ALLOWED = -25308  # macOS: a dialog would be needed, and we forbade it


class Stop(Exception):
    """Ends the process with an answer."""

    def __init__(self, word: str, text: str = "") -> None:
        super().__init__(word)
        self.answer = (word, text)


def main() -> NoReturn:
    """Answer one request."""
    verb, manner, service, user = sys.argv[1:]
    _no_core_dump()
    answer = os.dup(1)
    os.dup2(2, 1)  # what a library prints is not an answer
    try:
        ring = _backend(ask=manner == "ask")
        _close_stderr(answer)
        secret = _request()
        _exit_with_parent()
        word, text = _perform(ring, verb, service, user, secret)
    except Stop as stop:
        word, text = stop.answer
    _reply(answer, word, text)
    os._exit(0)  # nothing is left to do, and no library gets to hang or print on its way out


def _reply(answer: int, word: str, text: str) -> None:
    os.write(answer, f"{word}\n{text}\n".encode("ascii", "replace"))


def _no_core_dump() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _close_stderr(answer: int) -> None:
    """Call before there is a secret: what is printed from here on goes nowhere, tracebacks included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def tell_class(kind: type[BaseException], _value: BaseException, _trace: TracebackType | None) -> None:
        _reply(answer, "failed", kind.__name__)

    sys.excepthook = tell_class


def _request() -> str:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 200)
        if not part:
            os._exit(1)  # whoever asked is gone
        line += part
    return line[:-1].decode("ascii")


def _exit_with_parent() -> None:
    """The parent holds our stdin open. When it ends, however it ends, so do we: no dialog stays behind."""
    import threading

    def watch() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _backend(*, ask: bool) -> KeyringBackend:
    try:
        if sys.platform == "darwin":
            return _macos(ask=ask)
        if sys.platform == "win32":
            return _windows()
        return _secret_service(ask=ask)
    except ImportError as exc:
        raise Stop("unavailable", f"the Python package {exc.name} cannot be imported") from exc


def _secret_service(*, ask: bool) -> KeyringBackend:
    """Whoever is org.freedesktop.secrets on the session's bus: GNOME Keyring, KeePassXC, KWallet (Frameworks 5.97 on).

    keyring's classes for libsecret (the same service) and for older KWallets open dialogs that cannot be forbidden, and
    need system packages that nothing here installs; they are left out.
    """
    import secretstorage
    from keyring.backends import SecretService
    from secretstorage.util import DBusAddressWrapper, exec_prompt

    class Pinned(SecretService.Keyring):
        """keyring's class, without its ways of opening dialogs: it makes a missing collection, and unlocks unasked."""

        def get_preferred_collection(self) -> Collection:
            connection = secretstorage.dbus_init()
            if not secretstorage.check_service_availability(connection):
                raise Stop("unavailable", "no Secret Service (GNOME Keyring, KWallet, KeePassXC) runs in this session")
            try:
                collection = secretstorage.get_collection_by_alias(connection, "default")
            except secretstorage.ItemNotFoundException as exc:
                raise Stop("unavailable", "the Secret Service has no default collection") from exc
            if collection.collection_path == f"{_SECRETS}/collection/session":
                raise Stop("unavailable", "the Secret Service keeps secrets only until logout")
            self._open(collection, collection.collection_path)
            return collection

        def unlock(self, item: Item) -> None:
            self._open(item, item.item_path)

        def _open(self, thing: Collection | Item, path: str) -> None:
            if not thing.is_locked():
                return
            service = DBusAddressWrapper(_SECRETS, "org.freedesktop.Secret.Service", thing.connection)
            # This shows nothing yet, and is all that a collection with an empty password needs.
            _opened, prompt = service.call("Unlock", "ao", [path])
            if prompt != "/":
                if not ask:
                    raise Stop("locked")
                dismissed, _result = exec_prompt(thing.connection, prompt)
                if dismissed:
                    raise Stop("dismissed")
            if thing.is_locked():
                raise Stop("locked")

    return Pinned()  # type: ignore[no-untyped-call]


def _macos(*, ask: bool) -> KeyringBackend:
    from keyring.backends import macOS

    if not ask:
        import ctypes

        security = ctypes.CDLL("/System/Library/Frameworks/Security.framework/Security")
        security.SecKeychainSetUserInteractionAllowed(ctypes.c_ubyte(0))
    return macOS.Keyring()  # type: ignore[no-untyped-call]


def _windows() -> KeyringBackend:
    from keyring.backends import Windows

    if Windows.missing_deps:
        raise Stop("unavailable", "the Python package pywin32-ctypes cannot be imported")
    return Windows.WinVaultKeyring()  # type: ignore[no-untyped-call]


def _perform(ring: KeyringBackend, verb: str, service: str, user: str, secret: str) -> tuple[str, str]:
    """Do it, and turn the ways in which keyrings are known to fail into an answer."""
    from keyring import errors

    try:
        if _NAME == "SecretService":
            return _on_the_bus(ring, verb, service, user, secret)
        return _VERBS[verb](ring, service, user, secret)
    except TimeoutError as exc:
        raise Stop("timeout") from exc
    except OSError as exc:
        raise Stop("unavailable", f"the connection to it failed ({_name(exc)})") from exc
    except errors.KeyringLocked as exc:  # macOS says so when a person chose Cancel
        raise Stop("dismissed") from exc
    except errors.KeyringError as exc:
        if isinstance(exc.__cause__, Exception) and _NOT_ALLOWED in exc.__cause__.args:
            raise Stop("locked") from exc
        raise Stop("unavailable", f"it refused ({_name(exc)})") from exc


def _on_the_bus(ring: KeyringBackend, verb: str, service: str, user: str, secret: str) -> tuple[str, str]:
    import secretstorage
    from jeepney import DBusErrorResponse  # type: ignore[import-untyped]

    try:
        return _VERBS[verb](ring, service, user, secret)
    except secretstorage.PromptDismissedException as exc:
        raise Stop("dismissed") from exc
    except secretstorage.LockedException as exc:
        raise Stop("locked") from exc
    except secretstorage.SecretStorageException as exc:
        raise Stop("unavailable", f"the Secret Service does not answer ({_name(exc)})") from exc
    except DBusErrorResponse as exc:
        raise Stop("unavailable", f"the Secret Service refused ({_name(exc)})") from exc


def _name(exc: BaseException) -> str:
    """The class of an exception, and D-Bus's name for it. Never its text: that may quote what was being handled."""
    told = getattr(exc, "name", None)
    return told if isinstance(told, str) and re.fullmatch(r"[A-Za-z.]{1,100}", told) else type(exc).__name__


def _probe(ring: KeyringBackend, service: str, user: str, _secret: str) -> tuple[str, str]:
    ring.get_password(service, user)
    return "done", _NAME


def _read(ring: KeyringBackend, service: str, user: str, _secret: str) -> tuple[str, str]:
    try:
        text = ring.get_password(service, user)
    except UnicodeDecodeError:
        text = "not ours"
    if text is None:
        return "missing", ""
    return "done", text if re.fullmatch(r"[0-9a-f]{1,200}", text) else "not ours"


def _take(ring: KeyringBackend, service: str, user: str, _secret: str) -> tuple[str, str]:
    """What another program keeps: read, and never changed."""
    try:
        if user:
            text = ring.get_password(service, user)
        else:
            found = ring.get_credential(service, None)
            text = found.password if found else None
    except UnicodeDecodeError:
        raise Stop("unavailable", "the item is not UTF-8 text") from None
    if text is None:
        return "missing", ""
    if len(text) > _LARGEST_TAKEN:
        raise Stop("unavailable", "the item is too large for a key")
    return "done", text.encode().hex()


def _write(ring: KeyringBackend, service: str, user: str, secret: str) -> tuple[str, str]:
    ring.set_password(service, user, secret)
    if ring.get_password(service, user) != secret:
        raise Stop("unavailable", "it did not keep what was written")
    return "done", ""


def _delete(ring: KeyringBackend, service: str, user: str, _secret: str) -> tuple[str, str]:
    for _ in range(8):  # a keyring may hold several of one name; each call takes one
        if ring.get_password(service, user) is None:
            return "done", ""
        ring.delete_password(service, user)
    raise Stop("unavailable", "it did not delete what it was asked to")


_VERBS = {"probe": _probe, "read": _read, "write": _write, "delete": _delete, "take": _take}


if __name__ == "__main__":
    main()
