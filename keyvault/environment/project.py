"""`.keyvault.toml`: which variables a project wants, and from which keys. Names only, so it may be committed.

    [env]
    OPENROUTER_API_KEY = "openrouter/work"
    OPENAI_API_KEY = { key = "openai", required = false }
    AWS_SECRET_ACCESS_KEY = { key = "aws/work", field = "secret_access_key" }
    [profile.prod.env]
    OPENROUTER_API_KEY = "openrouter/prod"

A profile's table goes over the plain one, variable by variable. Whoever can write the file chooses among the user's keys,
so nothing in it is followed before the user has allowed it: see `keyvault.environment.trust`.
"""

from typing import Any, NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import check_variable, could_be_value, is_field, parse_ref, quoted
from keyvault.core.text import closest, escape
from keyvault.crypto.primitives import sha256
from keyvault.store import files

LARGEST = 64 * 1024
MOST_VARIABLES = 512
_MOST_DOTS = 64  # in a line: tomllib's time and memory grow with the square of the parts of a dotted key
_CUT = 200  # characters of the file that a message repeats


class Entry(NamedTuple):
    """A variable, and the key and field it is to get. `field` "" is the key's main value, or what the key itself says."""

    variable: str
    ref: str
    field: str
    required: bool


class Project(NamedTuple):
    """One file: its real path, the SHA-256 of its bytes as hex, and its entries by profile; "" is what all profiles share."""

    path: str
    digest: str
    sections: dict[str, tuple[Entry, ...]]

    @property
    def profiles(self) -> list[str]:
        """The names of the profiles."""
        return sorted(name for name in self.sections if name)

    def entries(self, profile: str) -> list[Entry]:
        """What applies with that profile, or without one. Raises NotFound."""
        if profile and profile not in self.sections:
            near = closest(profile, self.profiles)
            known = f"it has {', '.join(self.profiles)}" if self.profiles else "it has no profiles"
            raise NotFound(f"no profile {quoted(profile)} in {escape(self.path)}", f'did you mean "{near}"?' if near else known)
        chosen = {entry.variable: entry for entry in self.sections.get("", ())}
        chosen |= {entry.variable: entry for entry in self.sections.get(profile, ())}
        return list(chosen.values())


def load_bytes(path: str) -> bytes:
    """The file's bytes. Raises NotFound, UnsafeFile (a link, no plain file, too large, another user's), StoreFailed."""
    return files.read_named(path, LARGEST)


def parse(path: str, data: bytes) -> Project:
    """Read a project file. Raises InvalidInput, which names the place in it."""
    import tomllib

    if any(line.count(b".") > _MOST_DOTS for line in data.split(b"\n")):
        raise _wrong(path, "", f"more than {_MOST_DOTS} dots in a line")
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as exc:  # also for what is no UTF-8, and for numbers of thousands of digits
        where = f": {escape(str(exc))[:_CUT]}" if isinstance(exc, tomllib.TOMLDecodeError) else ""
        raise InvalidInput(
            f"{escape(path)} is not TOML{where}", "mend the file; keyvault project init writes a good one"
        ) from exc
    _refuse_unknown(path, "", document, {"env", "profile"})
    sections = {"": _section(path, "env", document.get("env", {}))}
    for name, table in _table(path, "profile", document.get("profile", {})).items():
        where = f"profile.{_shown(name)}"
        if not name or len(name) > 64 or not name.replace("-", "a").replace("_", "a").isalnum() or not name.isascii():
            raise _wrong(path, where, "a profile's name has letters, digits, - and _")
        _refuse_unknown(path, where, _table(path, where, table), {"env"})
        sections[name] = _section(path, f"{where}.env", table.get("env", {}))
    return Project(path, sha256(data).hex(), sections)


def _section(path: str, where: str, table: Any) -> tuple[Entry, ...]:
    entries = _table(path, where, table).items()
    if len(entries) > MOST_VARIABLES:
        raise _wrong(path, where, f"more than {MOST_VARIABLES} variables")
    return tuple(_entry(path, f"{where}.{_shown(variable)}", variable, wanted) for variable, wanted in entries)


def _entry(path: str, where: str, variable: str, wanted: Any) -> Entry:
    fields = {"key": wanted} if isinstance(wanted, str) else _table(path, where, wanted)
    _refuse_unknown(path, where, fields, {"key", "field", "required"})
    key, field, required = fields.get("key"), fields.get("field", ""), fields.get("required", True)
    if not isinstance(key, str) or not isinstance(field, str) or not isinstance(required, bool):
        raise _wrong(path, where, 'write "vendor/label" or { key = "vendor/label", field = "name", required = false }')
    if "/" not in key and could_be_value(key):  # some vendors' keys are spelled like a vendor's id
        raise _wrong(path, where, "this could be a value, which belongs into the vault; a name is written vendor/label")
    if field and not is_field(field):
        raise _wrong(path, where, "a field's name has a-z, 0-9 and underscore, as in secret_access_key")
    try:
        return Entry(check_variable(variable), str(parse_ref(key)), field, required)
    except InvalidInput as exc:
        raise _wrong(path, where, exc.message) from exc


def _shown(name: str) -> str:
    return name if name.isidentifier() else quoted(name)


def _table(path: str, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, where, "this has to be a table")
    return value


def _refuse_unknown(path: str, where: str, table: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise _wrong(path, where, f"{quoted(unknown[0])} is not known here; {', '.join(sorted(known))} are")


def _wrong(path: str, where: str, what: str) -> InvalidInput:
    place = f" at {escape(where[:_CUT])}" if where else ""
    return InvalidInput(
        f"{escape(path)}{place}: {escape(what[:_CUT])}", "the file holds names of variables and keys, nothing else"
    )
