"""From keys of the vault to questions about them, and what was heard back to the keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keyvault.core.refs import parse_ref
from keyvault.core.secret import Secret
from keyvault.liveness.balance import Standing
from keyvault.liveness.check import Result
from keyvault.liveness.requests import Subject
from keyvault.providers import catalogue
from keyvault.vault import changes
from keyvault.vault.answers import Amount, Balance, Checked
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.state import State
from keyvault.vault.vault import Vault


def subjects(vault: Vault, refs: Sequence[str]) -> list[tuple[ApiKey, Subject]]:
    """The keys named, each once, or all live ones, with what is needed to ask about them. Raises NotFound."""
    names = list(dict.fromkeys(str(parse_ref(ref)) for ref in refs))

    def query(state: State) -> list[tuple[ApiKey, dict[str, str]]]:
        keys = [vault.get_in(state, name) for name in names] if names else vault.live_in(state)
        return list(zip(keys, vault.values_in(state, [(key, key.value) for key in keys]), strict=True))

    return [(key, _subject(key, values)) for key, values in vault.read(query)]


def _subject(key: ApiKey, values: dict[str, str]) -> Subject:
    fields = {name: Secret(value) for name, value in values.items() if name != VALUE_FIELD}
    return Subject(key.ref, catalogue.load(key.name.provider), Secret(values[VALUE_FIELD]), fields, key.base_url)


def keep_results(vault: Vault, keys: Iterable[ApiKey], results: Iterable[Result], at: int) -> None:
    """File what was heard with the keys it is about, in one commit."""
    versions = {key.ref: key.current for key in keys}
    with vault.transaction("check") as tx:
        for result in results:
            version = versions[result.ref]
            heard = Checked(version, at, result.verdict, result.status or 0, result.reason)
            changes.note(tx, result.ref, version, checked=heard)


def keep_standings(vault: Vault, keys: Iterable[ApiKey], standings: Iterable[Standing], at: int) -> None:
    """File the figures with the keys they are about, in one commit; where none came, the last ones stay."""
    versions = {key.ref: key.current for key in keys}
    with vault.transaction("balance") as tx:
        for standing in standings:
            version = versions[standing.ref]
            amounts = tuple(
                Amount(f.scope, f.means, "" if f.amount is None else f"{f.amount:f}", f.unit) for f in standing.figures
            )
            if amounts:
                changes.note(tx, standing.ref, version, balance=Balance(version, at, amounts))
