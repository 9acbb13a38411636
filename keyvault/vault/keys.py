"""API keys as the vault keeps them: the record, its versions, their limits, and the record's one spelling."""

from collections.abc import Mapping
from sys import intern
from typing import TYPE_CHECKING, Any, NamedTuple

from keyvault.core.clock import DAY, is_time
from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import DEFAULT_LABEL, KeyRef
from keyvault.vault.codec import altered, dump_json, is_hex, load_json, take

if TYPE_CHECKING:
    from keyvault.vault.answers import Balance, Checked
    from keyvault.vault.rotating import Ended, Place, Rotation
else:  # names in quotes would be compiled when the class is made, and the first compilation costs `env` 1 ms
    Balance = Checked = Ended = Place = Rotation = object

LARGEST_RECORD = 16 * 1024
LARGEST_VALUE = 64 * 1024
LARGEST_TEXT = 2048
LARGEST_SEALED = 2 * 1024 * 1024 - 4  # of one version, as JSON: with its length it fills 2 MiB; 4 MiB would fit no row
MOST_FIELDS = 16
SOON = 7 * DAY  # before a key expires, it is due for rotation
VALUE_FIELD = ""  # the name of the key's main value among its fields


class Version(NamedTuple):
    """One value a key has had. `blob` is empty once purged; `fingerprint` tells equal values, and nothing else."""

    id: str
    at: int
    blob: str
    fingerprint: str


class ApiKey(NamedTuple):
    """All about one API key except its values. Times are seconds since 1970.

    `variables` maps an environment variable to a field; `fields` tells which fields beside the main value there are, and
    whether each is secret. `created` is None where the vendor's date is unknown; `added` is when the vault got it.
    `checked` and `balance` are what the vendor said when last asked; see `checked_now`. `rotation` is a replacement under
    way, `rotations` those that ended, `places` where the key is known to lie, `leaked` when it was said to have leaked, and
    `manager` the key by which the vendor lets this one be replaced. `auto`: given out without being named; `confirm`: only
    after a person has agreed, at each use.
    `forgotten` counts purged versions at the beginning that are not listed any more. `extra` keeps what a later keyvault
    wrote and this one does not know.
    """

    id: str
    ref: str
    variables: Mapping[str, str]
    versions: tuple[Version, ...]
    current: str
    added: int
    changed: int
    revision: tuple[int, str]
    fields: Mapping[str, bool] = {}
    created: int | None = None
    expires: int | None = None
    rotate_after: int | None = None
    tags: Mapping[str, str] = {}
    note: str = ""
    base_url: str = ""
    vendor_name: str = ""
    vendor_id: str = ""
    scopes: str = ""
    auto: bool = True
    confirm: bool = False
    checked: Checked | None = None
    balance: Balance | None = None
    forgotten: int = 0
    rotation: Rotation | None = None
    rotations: tuple[Ended, ...] = ()
    places: tuple[Place, ...] = ()
    leaked: int | None = None
    manager: str = ""
    deleted: int | None = None
    purged: int | None = None
    extra: Mapping[str, Any] = {}

    @property
    def name(self) -> KeyRef:
        """The ref in its two parts."""
        provider, _, label = self.ref.partition("/")
        return KeyRef(provider, label)

    @property
    def live(self) -> bool:
        """Neither removed nor purged."""
        return self.deleted is None and self.purged is None

    @property
    def is_default(self) -> bool:
        """The label is `default`."""
        return self.ref.endswith("/" + DEFAULT_LABEL)

    @property
    def value(self) -> Version:
        """The current version."""
        return next(v for v in self.versions if v.id == self.current)

    @property
    def checked_now(self) -> Checked | None:
        """What the vendor last said about the current value; what it said about another one does not count."""
        return self.checked if self.checked and self.checked.version == self.current else None

    @property
    def balance_now(self) -> Balance | None:
        """The balance last told for the current value."""
        return self.balance if self.balance and self.balance.version == self.current else None

    def due(self, now: int) -> str:
        """Why the key should be replaced now, most urgent cause first; an empty string if it need not be."""
        if self.leaked is not None:
            return "leaked"
        if self.checked_now and self.checked_now.verdict in ("invalid", "disabled"):
            return self.checked_now.verdict
        if self.expires is not None and self.expires <= now + SOON:
            return "expired" if self.expires <= now else "expires soon"
        since = self.created if self.created is not None else self.value.at
        return "old" if self.rotate_after is not None and since + self.rotate_after <= now else ""

    def number(self, version: Version) -> int:
        """The number by which people know a version: from 1, in order."""
        return self.forgotten + self.versions.index(version) + 1

    def version(self, number: int) -> Version:
        """The version of that number. Raises NotFound."""
        place = number - self.forgotten - 1
        if number < 1 or place >= len(self.versions):
            raise NotFound(f"{self.ref} has no version {number}", f"keyvault history {self.ref}")
        if place < 0 or not self.versions[place].blob:
            raise NotFound(f"version {number} of {self.ref} was purged", f"keyvault history {self.ref}")
        return self.versions[place]


# Optional fields, by type, with the default that is not written down. Spelled once, read and written from here.
_OPTIONAL: dict[str, tuple[type, Any]] = {
    "fields": (dict, {}),
    "created": (int, None),
    "expires": (int, None),
    "rotate_after": (int, None),
    "tags": (dict, {}),
    "note": (str, ""),
    "base_url": (str, ""),
    "vendor_name": (str, ""),
    "vendor_id": (str, ""),
    "scopes": (str, ""),
    "auto": (bool, True),
    "confirm": (bool, False),
    "checked": (list, None),
    "balance": (list, None),
    "forgotten": (int, 0),
    "rotation": (dict, None),
    "rotations": (list, ()),
    "places": (list, ()),
    "leaked": (int, None),
    "manager": (str, ""),
    "deleted": (int, None),
}
_NOTHING: Mapping[str, Any] = {}
_IS_ID, _IS_BLOB, _IS_FINGERPRINT = is_hex(16), is_hex(32), is_hex(8)


def encode_record(key: ApiKey) -> bytes:
    """The record's one spelling. Raises InvalidInput when it is too large."""
    if key.purged is not None:
        return dump_json({"id": key.id, "purged": key.purged})
    record = {name: value for name, (_, unset) in _OPTIONAL.items() if (value := getattr(key, name)) != unset}
    if key.rotation:
        record["rotation"] = key.rotation.as_record()
    record |= key.extra
    record |= {
        "id": key.id,
        "ref": key.ref,
        "env": [[variable, field] for variable, field in key.variables.items()],
        "versions": [[v.id, v.at, v.blob, v.fingerprint] for v in key.versions],
        "current": key.current,
        "added": key.added,
        "changed": key.changed,
        "revision": list(key.revision),
    }
    data = dump_json(record)
    if len(data) > LARGEST_RECORD:
        raise InvalidInput(
            f"{key.ref} has too many versions, tags or fields to keep",
            f"keyvault purge --versions {key.ref} erases its earlier values",
        )
    return data


def decode_record(data: bytes) -> ApiKey:
    """Read what encode_record wrote. Raises VaultCorrupt."""
    if len(data) > LARGEST_RECORD:
        raise altered("a record")
    record = load_json(data, "a record")
    try:
        key_id = take(record, "id", str, _IS_ID)
        if "purged" in record:
            return ApiKey(key_id, "", {}, (), "", 0, 0, (0, ""), purged=take(record, "purged", int, is_time))
        versions = tuple(_version(parts) for parts in take(record, "versions", list))
        current = take(record, "current", str)
        if versions and versions[-1].id == current:
            current = versions[-1].id  # the agent keeps thousands of records, with this text once
        key = ApiKey(
            key_id,
            take(record, "ref", str),
            dict(take(record, "env", list, lambda pairs: all(type(pair) is list for pair in pairs))),
            versions,
            current,
            take(record, "added", int),
            take(record, "changed", int),
            _revision(*take(record, "revision", list)),
            **{name: take(record, name, _OPTIONAL[name][0]) for name in _OPTIONAL.keys() & record.keys()},
            extra=record or _NOTHING,
        )
        if key.checked is not None or key.balance is not None:
            key = _with_answers(key)
        if key.rotation is not None or type(key.rotations) is not tuple or type(key.places) is not tuple:
            key = _with_rotation(key)
        names = (key.ref, *key.variables, *key.variables.values(), *key.fields, *key.tags, *key.tags.values())
        times = (key.added, key.changed, key.created or 0, key.expires or 0, key.deleted or 0, key.leaked or 0)
        if not (key.ref and key.ref.isascii()) or set(map(type, names)) != {str} or current not in [v.id for v in versions]:
            raise altered("a record")
        fair = all(map(is_time, times)) and (key.rotate_after or 0) >= 0
        if not fair or {bool, *map(type, key.fields.values())} != {bool}:
            raise altered("a record")
    except (TypeError, ValueError) as exc:
        raise altered("a record") from exc
    return key


def _version(parts: list[Any]) -> Version:
    if type(parts) is list and [type(part) for part in parts] == [str, int, str, str]:
        version = Version(*parts)
        has_value = _IS_BLOB(version.blob) and _IS_FINGERPRINT(version.fingerprint)
        if _IS_ID(version.id) and is_time(version.at) and (has_value or version[2:] == ("", "")):
            return version
    raise altered("a record")


def _with_answers(key: ApiKey) -> ApiKey:
    from keyvault.vault.answers import read_balance, read_checked

    return key._replace(checked=read_checked(key.checked), balance=read_balance(key.balance))


def _with_rotation(key: ApiKey) -> ApiKey:
    from keyvault.vault.rotating import read_ended, read_places, read_rotation

    raw: Any = key.rotation
    return key._replace(
        rotation=read_rotation(raw, [v.id for v in key.versions]),
        rotations=read_ended(key.rotations),
        places=read_places(key.places),
    )


def _revision(counter: int, author: str) -> tuple[int, str]:
    if type(counter) is not int or type(author) is not str:
        raise altered("a record")
    return counter, intern(author)


def check_text(what: str, text: str, limit: int = LARGEST_TEXT) -> str:
    """Free text of reasonable size. Raises InvalidInput."""
    if len(text) > limit:
        raise InvalidInput(f"the {what} is longer than {limit} characters", "shorten it; nothing was changed")
    _utf8(what, text)
    return text


def encode_values(values: Mapping[str, str]) -> bytes:
    """The values of one version, main value and fields, byte-exact. Raises InvalidInput."""
    if not values.get(VALUE_FIELD):
        raise InvalidInput("an empty value is not a key", "give the key itself")
    if len(values) > MOST_FIELDS + 1:
        raise InvalidInput(f"a key has at most {MOST_FIELDS} further fields", "put the rest into another key")
    for field, value in values.items():
        what = f"the value of {field}" if field else "the value"
        if len(_utf8(what, value)) > LARGEST_VALUE:
            raise InvalidInput(f"{what} is larger than {LARGEST_VALUE // 1024} KiB", "no API key is; was it the right file?")
    data = dump_json(dict(values))
    if len(data) > LARGEST_SEALED:  # a control character takes six bytes
        raise InvalidInput("the value and its fields are too large together", "no API key is; was it the right file?")
    return data


def decode_values(data: bytes) -> dict[str, str]:
    """Read what encode_values wrote. Raises VaultCorrupt."""
    values = load_json(data, "a value")
    try:
        fits = all(len(value.encode()) <= LARGEST_VALUE for value in values.values())
    except (AttributeError, UnicodeEncodeError) as exc:
        raise altered("a value") from exc
    if not fits or not values.get(VALUE_FIELD):
        raise altered("a value")
    return values


def _utf8(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput(f"{what} is not valid UTF-8", "write it as UTF-8 text") from exc
