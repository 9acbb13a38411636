"""What can be done to keys: each function makes one change inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from keyvault.core.clock import is_time
from keyvault.core.errors import AlreadyExists, InvalidInput, NotFound
from keyvault.core.refs import check_variable, is_field, parse_ref
from keyvault.crypto.primitives import random_bytes
from keyvault.vault.answers import Balance, Checked
from keyvault.vault.keys import MOST_FIELDS, VALUE_FIELD, ApiKey, Version, check_text
from keyvault.vault.vault import Transaction

# Ids kept of a live key's purged versions: a merge need not know older ones, and the record must not fill up.
MOST_PURGED = 32


class Details(TypedDict, total=False):
    """What a person may say about a key; see ApiKey for the meanings."""

    variables: Mapping[str, str]
    fields: Mapping[str, bool]
    created: int | None
    expires: int | None
    rotate_after: int | None
    tags: Mapping[str, str]
    note: str
    base_url: str
    vendor_name: str
    vendor_id: str
    scopes: str
    auto: bool
    confirm: bool
    leaked: int | None


def add(tx: Transaction, ref: str, values: dict[str, str], details: Details, at: int) -> ApiKey:
    """A new key. A removed one of that name comes back with its history and a new value. Raises AlreadyExists."""
    ref = str(parse_ref(ref))
    before = tx.find(ref)
    if before and before.live:
        raise AlreadyExists(
            f'key "{ref}" exists',
            f"keyvault edit --value {ref} gives it a new value; or choose another label: {before.name.provider}/LABEL",
        )
    checked = _checked(details, values)
    key_id = before.id if before else random_bytes(16).hex()
    version = tx.add_value(key_id, values, at)
    key = ApiKey(key_id, ref, {}, (version,), version.id, at, at, _next_revision((0, "")))._replace(**checked)
    if before:
        revision, versions = _next_revision(before.revision), (*before.versions, version)
        # The mark stays, for the earlier values come back too.
        key = key._replace(
            revision=revision, versions=versions, forgotten=before.forgotten, confirm=key.confirm or before.confirm
        )
    tx.put(key)
    return key


def edit(tx: Transaction, ref: str, details: Details, at: int, values: dict[str, str] | None = None) -> ApiKey:
    """Change what is known about a key, and with `values` give it a new version. Raises NotFound, InvalidInput."""
    key = tx.get(str(parse_ref(ref)))
    present = values if values is not None else tx.vault.values(key)
    changed = key._replace(**_checked({"variables": key.variables, "fields": key.fields, **details}, present))
    if values is not None:
        not_rotating(key)
        version = tx.add_value(key.id, values, at)
        changed = changed._replace(versions=(*key.versions, version), current=version.id)
    return _put(tx, changed, at)


def rename(tx: Transaction, ref: str, new_ref: str, at: int) -> ApiKey:
    """Give a key another name; nothing is sealed anew. Raises NotFound, AlreadyExists."""
    key = tx.get(str(parse_ref(ref)))
    new = str(parse_ref(new_ref))
    not_rotating(key)
    if new == key.ref:
        raise AlreadyExists(f'key "{new}" has that name already', "choose another label")
    in_the_way = tx.find(new)
    if in_the_way and not in_the_way.live:
        raise AlreadyExists(f'a removed key "{new}" keeps that name', f"keyvault purge {new} erases it for good")
    return _put(tx, key._replace(ref=new), at, instead_of=key)


def remove(tx: Transaction, ref: str, at: int) -> ApiKey:
    """Mark a key as removed; it can be brought back until it is purged. Raises NotFound."""
    key = tx.get(str(parse_ref(ref)))
    not_rotating(key)
    return _put(tx, key._replace(deleted=at), at)


def bring_back(tx: Transaction, ref: str, at: int) -> ApiKey:
    """Undo remove. Raises NotFound, AlreadyExists."""
    key = tx.find(str(parse_ref(ref)))
    if key is None:
        raise tx.vault.no_such_key(ref)
    if key.live:
        raise AlreadyExists(f'key "{key.ref}" is not removed', "there is nothing to undo")
    return _put(tx, key._replace(deleted=None), at)


def roll_back(tx: Transaction, ref: str, number: int | None, at: int) -> tuple[ApiKey, int]:
    """Make an earlier value current again: version `number`, or the one before the current. Raises NotFound."""
    key = tx.get(str(parse_ref(ref)))
    not_rotating(key, "--rollback")
    if number is None:
        earlier = [v for v in key.versions[: key.versions.index(key.value)] if v.blob]
        if not earlier:
            raise NotFound(f"{key.ref} has no earlier value", f"keyvault history {key.ref}")
        number = key.number(earlier[-1])
    version = key.version(number)
    if version.id == key.current:
        raise AlreadyExists(f"version {number} of {key.ref} is the current one", f"keyvault history {key.ref}")
    values = tx.vault.values(key, version)
    if missing := set(key.variables.values()) - set(values):
        raise InvalidInput(
            f"version {number} of {key.ref} has no field {min(missing)}, which a variable needs", f"keyvault show {key.ref}"
        )
    fields = {name: key.fields.get(name, True) for name in values if name != VALUE_FIELD}
    return _put(tx, key._replace(current=version.id, fields=fields), at), number


def purge(tx: Transaction, ref: str, at: int, *, versions_only: bool = False) -> int:
    """Erase a removed key for good, or the earlier values of a live one. The number of values erased.

    Raises NotFound, AlreadyExists for a live key without `versions_only`. An id stays, so that a later merge knows.
    """
    key = tx.find(str(parse_ref(ref)))
    if key is None:
        raise tx.vault.no_such_key(ref)
    if versions_only:
        not_rotating(key)
        kept = tuple(v if v.id == key.current else _without_value(tx, v) for v in key.versions)
        surplus = max(0, next(n for n, v in enumerate(kept) if v.blob) - MOST_PURGED)
        _put(tx, key._replace(versions=kept[surplus:], forgotten=key.forgotten + surplus), at)
        return sum(1 for old, new in zip(key.versions, kept, strict=True) if old != new)
    if key.live:
        raise AlreadyExists(
            f'key "{key.ref}" is in use', f"keyvault rm {key.ref} first; or --versions to erase only its earlier values"
        )
    erased = sum(1 for version in key.versions if _without_value(tx, version) != version)
    tx.put(key._replace(purged=at), instead_of=key)
    return erased


def note(tx: Transaction, ref: str, version: str, *, checked: Checked | None = None, balance: Balance | None = None) -> None:
    """Keep what the vendor said about a version. It is no edit, so neither `changed` nor the revision moves.

    A key that is gone meanwhile, or has another name, is passed over: the news is about nothing.
    """
    key = tx.find(ref)
    if key and key.live and any(v.id == version for v in key.versions):
        tx.put(key._replace(checked=checked or key.checked, balance=balance or key.balance))


def not_rotating(key: ApiKey, way_out: str = "--abort") -> None:
    """Raises AlreadyExists while the key is being replaced: two values are in use then, and neither may go astray."""
    if key.rotation:
        raise AlreadyExists(
            f"{key.ref} is being rotated (step: {key.rotation.step})",
            f"keyvault rotate --resume {key.ref} ends it, keyvault rotate {way_out} {key.ref} undoes it",
        )


def register_place(tx: Transaction, ref: str, kind: str, path: str, variable: str) -> bool:
    """Note that `path` holds the key's value; a rotation looks there. Whether that was news. No edit: `changed` stays."""
    from keyvault.vault.rotating import MOST_PLACES, Place

    key = tx.get(str(parse_ref(ref)))
    place = Place(kind, check_text("path", path, 1024), check_variable(variable))
    if place in key.places:
        return False
    others = [known for known in key.places if (known.path, known.variable) != (path, variable)]
    tx.put(key._replace(places=(*others, place)[-MOST_PLACES:]))
    return True


def forget_place(tx: Transaction, ref: str, path: str) -> bool:
    """Forget that `path` holds the key's value. Whether it was known."""
    key = tx.get(str(parse_ref(ref)))
    kept = tuple(place for place in key.places if place.path != path)
    if kept == key.places:
        return False
    tx.put(key._replace(places=kept))
    return True


def _without_value(tx: Transaction, version: Version) -> Version:
    if version.blob:
        tx.drop_value(version)
    return version._replace(blob="", fingerprint="")


def _put(tx: Transaction, key: ApiKey, at: int, instead_of: ApiKey | None = None) -> ApiKey:
    key = key._replace(changed=at, revision=_next_revision(key.revision))
    tx.put(key, instead_of=instead_of)
    return key


def _next_revision(before: tuple[int, str]) -> tuple[int, str]:
    """Counter and a random id: what decides between two edits when vaults are merged. Clocks do not."""
    return before[0] + 1, random_bytes(8).hex()


def _checked(details: Details, values: Mapping[str, str]) -> Details:
    """Details that fit each other and the values. Raises InvalidInput."""
    fields = details.get("fields", {})
    if set(fields) != set(values) - {VALUE_FIELD}:
        raise InvalidInput("fields and their values do not match")
    if len(fields) > MOST_FIELDS:
        raise InvalidInput(f"a key has at most {MOST_FIELDS} further fields", "put the rest into another key")
    for field in fields:
        if not is_field(field):
            raise InvalidInput(f"{field!a} is not a field name", "use a-z, 0-9 and underscore, as in secret_access_key")
    for variable, field in details.get("variables", {}).items():
        check_variable(variable)
        if field not in values:
            raise InvalidInput(
                f"{variable} should get field {field!a}, which the key does not have", "add it with --field or --secret-field"
            )
    for what in ("note", "base_url", "vendor_name", "vendor_id", "scopes"):
        check_text(what.replace("_", " "), str(details.get(what, "")))
    for name, value in details.get("tags", {}).items():
        check_text("tag", name, 64)
        check_text("tag", value, 256)
    for what in ("created", "expires", "leaked"):
        at = details.get(what)
        if at is not None and not is_time(int(str(at))):
            raise InvalidInput(f"the date {what!a} is out of range", "dates lie between 1970 and 9999")
    return details
