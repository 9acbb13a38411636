"""What of the vault is sought: every value that it has or had, and every secret part of one."""

from __future__ import annotations

from typing import NamedTuple

from keyvault.audit.findings import Skipped
from keyvault.audit.leaks.own import SHORTEST
from keyvault.audit.leaks.pieces import OwnKey
from keyvault.core.secret import Secret
from keyvault.crypto.primitives import expand
from keyvault.vault.keys import VALUE_FIELD, ApiKey, Version
from keyvault.vault.state import State
from keyvault.vault.vault import Vault


class Sought(NamedTuple):
    """The values, and the keys of which a value is too short to be sought."""

    own: tuple[OwnKey, ...]
    skipped: tuple[Skipped, ...]


def own_keys(vault: Vault) -> Sought:
    """The values of all keys, removed ones too. Those that programs may have now are in use: while a key is rotated, both."""

    def query(state: State) -> list[tuple[ApiKey, Version, dict[str, str]]]:
        keys = sorted(vault.keys_in(state), key=lambda key: key.ref)
        pairs = [(key, version) for key in keys for version in key.versions if version.blob]
        return [(key, version, values) for (key, version), values in zip(pairs, vault.values_in(state, pairs), strict=True)]

    found: dict[tuple[str, str], OwnKey] = {}
    short = set()
    for key, version, values in vault.read(query):
        in_use = key.live and version.id in _used_versions(key)
        for field, value in values.items():
            if field != VALUE_FIELD and not key.fields.get(field, True):
                continue  # a plain field, such as a region, is no secret
            if len(value.encode()) < SHORTEST:
                short.add(key.ref)
            elif in_use or (key.ref, value) not in found:
                found[key.ref, value] = OwnKey(key.ref, key.name.provider, Secret(value), in_use)
    why = f"a value of it has fewer than {SHORTEST} characters, so it is not sought"
    return Sought(tuple(found.values()), tuple(Skipped(ref, why) for ref in sorted(short)))


def fingerprint_key(vault: Vault) -> bytes:
    """The key of fingerprints in reports: the same in each run, and known to those who can open the vault."""
    return expand(vault.root.fingerprint_key, b"keyvault/1/leaks\x00")


def _used_versions(key: ApiKey) -> set[str]:
    return {key.current} | ({key.rotation.old, key.rotation.new} if key.rotation else set())
