"""Which way to unlock is tried, in which order, and why one did not work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput, Locked, NotFound, Unreachable, WrongSecret
from keyvault.core.settings import Settings
from keyvault.unlock import key_file
from keyvault.vault import slots
from keyvault.vault.codec import Header
from keyvault.vault.slots import KEY_FILE, KEYRING, PASSPHRASE, RECOVERY, Slot

if TYPE_CHECKING:
    from keyvault.store.os_keyring import Item

TRIES = 3
KEYRING_SERVICE = "keyvault"


class People:
    """How to reach a person. `ask` prompts for hidden text (None: nobody is there); `tell` says one line.

    `kept` is for a person who is there and may not be asked.
    """

    def __init__(self, ask: Callable[[str], str] | None, tell: Callable[[str], None], *, kept: bool = False) -> None:
        self.ask = ask
        self.tell = tell
        self.kept = kept


class Unlocker:
    """Finds the vault key of a header: key file, given passphrase, OS keyring, then a person. Remembers what opened it."""

    def __init__(self, settings: Settings, people: People) -> None:
        self._settings = settings
        self._people = people
        self._reasons: list[str] = []
        self.by_person = False  # typed, or kept in the person's keyring: nothing in the environment said how
        self.used: tuple[Slot, bytes] | None = None  # the slot that opened, and the secret it opened with

    def __call__(self, header: Header) -> bytes:
        """The vault key. Raises Locked, WrongSecret, UnsafeFile, VaultCorrupt."""
        present = slots.decode_all(header)
        kinds = {slot.kind for slot in present}
        if self._settings.key_file and KEY_FILE in kinds:
            return self._open(header, present, KEY_FILE, key_file.read(self._settings.key_file))
        from keyvault.unlock.passphrase import given

        text = given(self._settings)
        if text is not None:
            return self._open_text(header, present, text)
        if self._settings.key_file:
            raise WrongSecret("this vault has no key-file slot", "keyvault slots lists the ways to unlock it")
        if KEYRING in kinds and (vault_key := self._open_keyring(header, present)):
            return vault_key
        return self._open_by_asking(header, present, kinds)

    def _open(self, header: Header, present: list[Slot], kind: str, secret: bytes) -> bytes:
        slot, vault_key = slots.unwrap(header, present, kind, secret)
        self.used = (slot, secret)
        return vault_key

    def _open_text(self, header: Header, present: list[Slot], text: str) -> bytes:
        """A passphrase, or a recovery code in its place."""
        from keyvault.unlock import recovery

        if recovery.looks_like(text) and any(slot.kind == RECOVERY for slot in present):
            try:
                return self._open(header, present, RECOVERY, recovery.decode(text))
            except (InvalidInput, WrongSecret) as exc:
                if all(slot.kind != PASSPHRASE for slot in present):
                    raise WrongSecret(exc.message, exc.hint) from exc
        try:
            return self._open(header, present, PASSPHRASE, slots.passphrase_bytes(text))
        except (NotFound, InvalidInput) as exc:
            raise WrongSecret(exc.message, exc.hint) from exc

    def _open_keyring(self, header: Header, present: list[Slot]) -> bytes | None:
        from keyvault.store import os_keyring

        someone = self._people.ask is not None
        for slot in (slot for slot in present if slot.kind == KEYRING):
            try:
                secret = os_keyring.read(
                    keyring_item(header.vault_id, slot.id),
                    timeout=os_keyring.PATIENT if someone else os_keyring.QUICK,
                    interactive=someone,
                )
                if secret is None:
                    self._reasons.append("the OS keyring has no item for this vault")
                else:
                    self.by_person = True
                    return self._open(header, [slot], KEYRING, secret)
            except (Unreachable, WrongSecret) as exc:
                self._reasons.append(exc.message)
        return None

    def _open_by_asking(self, header: Header, present: list[Slot], kinds: set[str]) -> bytes:
        ask = self._people.ask
        reason = "; ".join(self._reasons)
        if ask is None and self._people.kept:
            raise Locked(
                "the vault is locked, and nobody was to be asked" + (f" ({reason})" if reason else ""),
                "keyvault unlock opens it for hours; then run this again",
            )
        if ask is None:
            raise Locked(
                "the vault is locked, and there is no terminal to ask on" + (f" ({reason})" if reason else ""),
                "set KEYVAULT_KEY_FILE"
                if kinds == {KEY_FILE}
                else "set KEYVAULT_PASSPHRASE_FILE, KEYVAULT_PASSPHRASE_FD or KEYVAULT_KEY_FILE",
            )
        if not kinds & {PASSPHRASE, RECOVERY}:
            raise Locked(
                f"nothing to ask for: the vault unlocks by {' or '.join(sorted(kinds))}" + (f" ({reason})" if reason else ""),
                "set KEYVAULT_KEY_FILE" if KEY_FILE in kinds else "",
            )
        if reason:
            self._people.tell(reason)
        what = "passphrase" if PASSPHRASE in kinds else "recovery code"
        self.by_person = True
        for left in reversed(range(TRIES)):
            try:
                return self._open_text(header, present, ask(f"keyvault {what}: "))
            except (WrongSecret, InvalidInput) as exc:
                if not left:
                    raise
                self._people.tell(exc.message)
        raise AssertionError


def keyring_item(vault_id: str, slot_id: str) -> Item:
    """Where a slot's secret lies in the OS keyring."""
    from keyvault.store.os_keyring import Item

    return Item(KEYRING_SERVICE, f"{vault_id}/{slot_id}")
