"""How findings are ranked and told, alike in every report; and what a leak asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keyvault.audit.findings import BAD, HISTORY, OWN, Leak, Stale
from keyvault.core.text import shell_word
from keyvault.liveness.verdict import DISABLED, INVALID, usable
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider

ERROR, WARNING, NOTE = "error", "warning", "note"  # SARIF's words
LEVELS = (ERROR, WARNING, NOTE)
_MOST_FILES = 5
_UN_LEAK = (
    "Rewriting git's history does not un-leak a key: clones, forks, pull requests and caches keep what was pushed. "
    "Only a value that is dead is safe."
)


class Advice(NamedTuple):
    """What to do about a value that lies in clear, or about all unknown ones of one kind."""

    about: str
    steps: tuple[str, ...]


def level(finding: Leak | Stale) -> str:
    """Error: act now. Warning: look at it. Note: good to know. What the vendor said of a value weighs most."""
    if isinstance(finding, Stale):
        return ERROR if finding.severity == BAD else NOTE
    if finding.verdict in (INVALID, DISABLED):
        return NOTE
    if usable(finding.verdict) or (finding.kind == OWN and finding.current):
        return ERROR
    return NOTE if finding.kind == OWN else WARNING


def in_order(leaks: Iterable[Leak]) -> list[Leak]:
    """The gravest first, then by place."""
    return sorted(
        leaks, key=lambda one: (LEVELS.index(level(one)), one.path, one.line, one.column, one.commit, one.fingerprint)
    )


def vendor(leak: Leak) -> str:
    """The vendor's name, or an empty string."""
    provider = catalogue.load(leak.provider) if leak.provider else None
    return provider.name if provider else leak.provider


def whose(leak: Leak) -> str:
    """Which key it is, in a few words."""
    if leak.kind == OWN:
        return leak.ref if leak.current else f"{leak.ref}, former value"
    name = vendor(leak)
    what = leak.what or "key"
    return (f"{name}: {what}" if name else what) + (f" …{leak.tail}" if leak.tail else "")


def where(leak: Leak) -> str:
    """File, line and column, as editors take them."""
    place = leak.path + (f":{leak.line}" if leak.line else "") + (f":{leak.column}" if leak.line and leak.column else "")
    return f"{place} in commit {leak.commit[:12]}" if leak.commit else place


def advice(leaks: Sequence[Leak]) -> list[Advice]:
    """What to do, once for each own value and once for each kind of unknown ones, the gravest first."""
    alike: dict[tuple[str, ...], list[Leak]] = {}
    for leak in in_order(leaks):
        kind = (leak.ref, str(leak.current)) if leak.ref else (leak.provider, leak.what, leak.verdict)
        alike.setdefault(kind, []).append(leak)
    return [Advice(_about(found), tuple(_steps(found))) for found in alike.values()]


def caveat(leaks: Iterable[Leak]) -> str:
    """What to know beside the advice: a sentence or two, or an empty string."""
    return _UN_LEAK if any(leak.commit for leak in leaks) else ""


def _about(found: Sequence[Leak]) -> str:
    first, values = found[0], len({leak.fingerprint for leak in found})
    return whose(first) if first.ref or values == 1 else f"{whose(first._replace(tail=''))}, {values} values"


def _steps(found: Sequence[Leak]) -> list[str]:
    leak = found[0]
    provider = catalogue.load(leak.provider) if leak.provider else None
    page = provider.console_url if provider and provider.console_url else "the vendor's page"
    files = list(dict.fromkeys(one.path for one in found if one.source != HISTORY))
    steps = []
    if leak.kind == OWN and leak.current:
        steps += [f"replace it, without grace: keyvault rotate {leak.ref} --leaked", _revocation(provider, page)]
    elif leak.kind == OWN:
        steps.append(f"it is not in use any more; see that it is dead: {page}")
    elif leak.verdict in (INVALID, DISABLED):
        steps.append("its vendor says that it is dead; take it out, so that nobody has to wonder")
    else:
        steps.append(f"what is a key of yours: revoke it at {page}, and make a new one for the vault")
        steps.append('what is no key: "keyvault:ignore" in a comment of its line, or a baseline, says so')
    if files:
        named = ", ".join(shell_word(path) for path in files[:_MOST_FILES])
        more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
        steps.append(f"take it out of {named}{more}; where keyvault knows the file's form: keyvault import FILE --clean")
    return steps


def _revocation(provider: Provider | None, page: str) -> str:
    kind = provider.revocation.kind if provider else "manual"
    if kind == "manual":
        return f"rotate asks you to revoke the old value at {page}"
    needs = f", with {provider.revocation.needs}" if provider and provider.revocation.needs else ""
    return f"rotate revokes the old value by request{needs}; or do it at {page}"
