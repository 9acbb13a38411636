"""A report as SARIF 2.1.0, which code hosts and editors read.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", with errata 01.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple
from urllib.parse import quote

from keyvault.audit import stale as reasons
from keyvault.audit.findings import OWN, Leak, Report, Skipped, Stale
from keyvault.audit.report.wording import ERROR, NOTE, WARNING, advice, level, vendor
from keyvault.core.text import escape
from keyvault.core.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "SRCROOT"
_SCORES = {ERROR: "9.0", WARNING: "7.0", NOTE: "2.0"}


class _Rule(NamedTuple):
    name: str
    level: str
    short: str
    help: str


_LEAKS = {
    "own-key": _Rule(
        "OwnKeyInClear",
        ERROR,
        "A key of the vault that is in use lies here in clear.",
        "Replace it with `keyvault rotate REF --leaked`, see that the old value is revoked, and take it out of the file. "
        "Rewriting history does not un-leak it.",
    ),
    "former-key": _Rule(
        "FormerKeyInClear",
        NOTE,
        "An earlier value of a key of the vault lies here in clear.",
        "See that its vendor knows it as revoked, and take it out of the file.",
    ),
    "vendor-key": _Rule(
        "VendorKeyInClear",
        WARNING,
        "What looks like a vendor's key lies here in clear.",
        "If it is a key: revoke it at its vendor, make a new one, and keep that in the vault. If it is none, write "
        "`keyvault:ignore` into a comment of its line, or put it into a baseline.",
    ),
}
_STALE = {
    reasons.LEAKED: "A key was said to have leaked and is still in use.",
    reasons.EXPIRED: "A key has expired.",
    reasons.INVALID: "A key's vendor turns it down.",
    reasons.OVERDUE: "A key is older than its limit.",
    reasons.ROTATION_STUCK: "A rotation is under way, and nobody goes on with it.",
    reasons.EXPIRING: "A key expires soon.",
    reasons.NO_CREDIT: "A key's account is empty.",
    reasons.WEAK_MODE: "A file that holds or unlocks keys is open to other users.",
    reasons.NO_RECOVERY: "The vault has no second way in.",
    reasons.NO_BACKUP: "The vault has no recent copy.",
    reasons.DUPLICATE: "One value is kept or exported more than once.",
    reasons.UNUSED: "A key has not been used for long.",
    reasons.NEVER_USED: "A key has never been used.",
    reasons.UNCHECKED: "Nobody has asked lately whether a key works.",
}


def as_dict(report: Report, *, lasting: bool = True) -> dict[str, Any]:
    """The log file, as one object. `lasting`: fingerprints are the same in the next run, so they may identify findings."""
    rules = _rules()
    places = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_leak(leak, lasting) for leak in report.leaks] + [_stale(stale) for stale in report.stale]
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    run = {
        "tool": {"driver": {"name": "keyvault", "semanticVersion": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that keyvault was run in."}}},
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": [_skipped(one) for one in report.skipped]},
        ],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules() -> list[dict[str, Any]]:
    known = {
        **_LEAKS,
        **{
            f"stale/{reason}": _Rule(
                "".join(part.title() for part in reason.split("_")),
                ERROR if reason in reasons.BAD_REASONS else NOTE,
                short,
                "The result says what to type. `keyvault audit stale` shows all such findings.",
            )
            for reason, short in _STALE.items()
        },
    }
    return [
        {
            "id": rule_id,
            "name": rule.name,
            "shortDescription": {"text": rule.short},
            "fullDescription": {"text": f"{rule.short} {rule.help}".replace("`", "")},
            "help": {"text": rule.help.replace("`", ""), "markdown": rule.help},
            "defaultConfiguration": {"level": rule.level},
            "properties": {"tags": ["security", "secret"], "security-severity": _SCORES[rule.level], "precision": "high"},
        }
        for rule_id, rule in known.items()
    ]


def _leak(leak: Leak, lasting: bool) -> dict[str, Any]:
    name = escape(vendor(leak))
    if leak.kind == OWN:
        rule = "own-key" if leak.current else "former-key"
        text = f"{'A' if leak.current else 'A former'} value of {escape(leak.ref)} lies here in clear"
    else:
        rule = "vendor-key"
        text = f"What looks like {f'a key of {name}' if name else 'a key'} ({escape(leak.what)}) lies here in clear"
    if leak.commit:
        text += f", in commit {escape(leak.commit[:12])}"
    if leak.verdict:
        text += f"; its vendor says: {escape(leak.verdict.replace('_', ' '))}"
    steps = "; ".join(escape(step) for step in advice([leak])[0].steps)
    result: dict[str, Any] = {
        "ruleId": rule,
        "level": level(leak),
        "message": {"text": f"{text}. What to do: {steps}."},
        "locations": [{"physicalLocation": _place(leak)}],
        "properties": {
            "form": leak.form,
            "source": leak.source,
            "tail": escape(leak.tail),
            **({"ref": leak.ref} if leak.ref else {}),
            **({"provider": leak.provider} if leak.provider else {}),
            **({"commit": leak.commit} if leak.commit else {}),
            **({"verdict": leak.verdict} if leak.verdict else {}),
        },
    }
    if lasting:
        result["partialFingerprints"] = {"keyvaultValue/v1": leak.fingerprint}
    return result


def _place(leak: Leak) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _location(leak.path)}
    if leak.line > 0:
        place["region"] = {"startLine": leak.line, **({"startColumn": leak.column} if leak.column > 0 else {})}
    return place


def _location(path: str) -> dict[str, str]:
    spelled = quote(os.fsencode(path.replace(os.sep, "/")), safe="/")
    return {"uri": f"file://{spelled}"} if os.path.isabs(path) else {"uri": spelled, "uriBaseId": ROOT}


def _skipped(skipped: Skipped) -> dict[str, Any]:
    return {
        "level": "note",
        "message": {"text": f"Not looked at: {escape(': '.join(filter(None, skipped)))}"},
    }


def _stale(stale: Stale) -> dict[str, Any]:
    about = stale.ref or "the vault"
    return {
        "ruleId": f"stale/{stale.reason}",
        "level": level(stale),
        "message": {"text": f"{escape(about)}: {escape(stale.detail)}. What to do: {escape(stale.then)}."},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": about, "kind": "resource"}]}],
        "partialFingerprints": {"keyvaultStale/v1": f"{stale.reason}:{stale.ref}"},
    }
