"""The steps of a rotation as commits: each compares what it starts from, so that no two processes take the same step."""

from __future__ import annotations

from typing import Any

from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, KeyvaultError
from keyvault.core.refs import parse_ref
from keyvault.crypto.primitives import random_bytes
from keyvault.vault import rotating
from keyvault.vault.answers import Checked
from keyvault.vault.changes import not_rotating
from keyvault.vault.keys import ApiKey
from keyvault.vault.rotating import MOST_ENDED, Ended, Rotation
from keyvault.vault.vault import Transaction, Vault


class Overtaken(KeyvaultError):
    """Another process took the rotation on."""


def begin(vault: Vault, ref: str, scheme: str, at: int, *, admin: str = "", grace: int = 0, leaked: bool = False) -> ApiKey:
    """Note that a key is being replaced. Raises NotFound, AlreadyExists where one rotation is under way."""
    with vault.transaction("rotate-begun") as tx:
        key = tx.get(str(parse_ref(ref)))
        not_rotating(key)
        rotation = Rotation(
            random_bytes(8).hex(),
            rotating.BEGUN,
            at,
            at,
            scheme,
            key.current,
            name=f"keyvault-{random_bytes(4).hex()}",
            admin=admin,
            old_id=key.vendor_id,
            grace=grace,
            leaked=leaked,
            created=key.created,
            expires=key.expires,
            vendor_name=key.vendor_name,
        )
        return _put(tx, key._replace(rotation=rotation, manager=admin or key.manager))


def move(vault: Vault, key: ApiKey, step: str, at: int, **changes: Any) -> None:
    """Go to the next step, with what was learned. Raises Overtaken."""
    with vault.transaction(f"rotate-{step}") as tx:
        present, rotation = _same(tx, key)
        _put(tx, present._replace(rotation=rotation._replace(step=step, at=at, **changes)))


def amend(vault: Vault, key: ApiKey, *, admin: str = "", leaked: bool = False) -> None:
    """Say more of a rotation under way: another key that may do it, or that the old value leaked. Raises Overtaken."""
    with vault.transaction("rotate-amended") as tx:
        present, rotation = _same(tx, key)
        rotation = rotation._replace(admin=admin or rotation.admin, leaked=leaked or rotation.leaked)
        _put(tx, present._replace(rotation=rotation, manager=admin or present.manager))


def keep(vault: Vault, key: ApiKey, values: dict[str, str], new_id: str, expires: int | None, at: int) -> None:
    """Seal the new value and note the vendor's id of it, in one commit; the current value stays. Raises Overtaken."""
    with vault.transaction("rotate-pending") as tx:
        present, rotation = _same(tx, key)
        version = tx.add_value(key.id, values, at)
        rotation = rotation._replace(step=rotating.PENDING, at=at, new=version.id, new_id=new_id, new_expires=expires)
        _put(tx, present._replace(versions=(*present.versions, version), rotation=rotation))


def promote(vault: Vault, key: ApiKey, at: int, checked: Checked | None) -> None:
    """The new value becomes the current one. Raises Overtaken, AlreadyExists if the old one is not current any more."""
    with vault.transaction("rotate-promoted") as tx:
        present, rotation = _same(tx, key)
        if present.current != rotation.old:
            raise AlreadyExists(f"{key.ref} has got another value meanwhile", f"keyvault rotate --abort {key.ref}")
        boot, up = clock.uptime()
        rotation = rotation._replace(step=rotating.PROMOTED, at=at, promoted=at, boot=boot, up=up)
        _put(
            tx,
            present._replace(
                current=rotation.new,
                created=at,
                expires=rotation.new_expires,
                vendor_id=rotation.new_id,
                vendor_name=rotation.name if rotation.new_id else present.vendor_name,
                checked=checked or present.checked,
                rotation=rotation,
            ),
        )


def turn_back(vault: Vault, key: ApiKey, at: int) -> None:
    """The old value becomes current again, and the new one is the one to retire, in one commit. Raises Overtaken."""
    with vault.transaction("rotate-rolled-back") as tx:
        present, rotation = _same(tx, key)
        boot, up = clock.uptime()
        swapped = rotation._replace(
            step=rotating.PROMOTED,
            at=at,
            old=rotation.new,
            new=rotation.old,
            old_id=rotation.new_id,
            new_id=rotation.old_id,
            promoted=at,
            boot=boot,
            up=up,
            leaked=False,
            back=not rotation.back,
            created=present.created,
            expires=present.expires,
            vendor_name=present.vendor_name,
        )
        _put(
            tx,
            present._replace(
                current=rotation.old,
                created=rotation.created,
                expires=rotation.expires,
                vendor_id=rotation.old_id,
                vendor_name=rotation.vendor_name,
                rotation=swapped,
            ),
        )


def again_by_hand(vault: Vault, key: ApiKey, at: int) -> None:
    """The vendor's answer was lost with the value in it: go on as one whose new value a person brings. Raises Overtaken."""
    move(vault, key, rotating.BEGUN, at, scheme="manual", old_id="", grace=0)


def close(vault: Vault, key: ApiKey, outcome: str, at: int, *, drop_new: bool = False, healed: bool = False) -> None:
    """Nothing is under way any more. `drop_new` erases the pending value; `healed`: what leaked is dead. Raises Overtaken."""
    with vault.transaction(f"rotate-{outcome.replace(chr(32), chr(45))}") as tx:
        present, rotation = _same(tx, key)
        versions = present.versions
        if drop_new and rotation.new:
            for version in versions:
                if version.id == rotation.new and version.blob:
                    tx.drop_value(version)
            versions = tuple(v._replace(blob="", fingerprint="") if v.id == rotation.new else v for v in versions)
        ended = (*present.rotations, Ended(rotation.began, at, outcome, rotation.scheme))[-MOST_ENDED:]
        before = present.leaked is not None and present.leaked <= (rotation.promoted or at)
        leaked = None if healed and before else present.leaked
        _put(tx, present._replace(versions=versions, rotation=None, rotations=ended, leaked=leaked))


def _same(tx: Transaction, key: ApiKey) -> tuple[ApiKey, Rotation]:
    present = tx.get(key.ref)
    if present.rotation is None or key.rotation is None or present.rotation[:2] != key.rotation[:2]:
        raise Overtaken(f"another process took the rotation of {key.ref} on", "keyvault rotate --status shows how far it is")
    return present, present.rotation


def _put(tx: Transaction, key: ApiKey) -> ApiKey:
    key = key._replace(changed=max(key.changed, key.rotation.at if key.rotation else key.changed))
    key = key._replace(revision=(key.revision[0] + 1, random_bytes(8).hex()))
    tx.put(key)
    return key
