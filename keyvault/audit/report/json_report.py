"""A report as JSON; the shape is stable, and documented in docs/reference/json.md."""

from __future__ import annotations

from typing import Any

from keyvault.audit.findings import Age, Leak, Report, Skipped, Stale
from keyvault.audit.report.wording import level
from keyvault.core import clock


def of_leaks(report: Report) -> dict[str, Any]:
    """What `audit leaks --format json` prints."""
    files, objects, size = report.searched
    return {
        "findings": [_leak(leak) for leak in report.leaks],
        "skipped": [_skipped(skipped) for skipped in report.skipped],
        "searched": {"files": files, "objects": objects, "bytes": size},
        "at": clock.rfc3339(report.at),
    }


def of_stale(report: Report) -> dict[str, Any]:
    """What `audit stale --format json` prints."""
    return {
        "stale": [_stale(stale) for stale in report.stale],
        "ages": [_age(age) for age in report.ages],
        "at": clock.rfc3339(report.at),
    }


def _leak(leak: Leak) -> dict[str, Any]:
    return {
        "path": leak.path,
        "line": leak.line if leak.line > 0 else None,
        "column": leak.column or None,
        "provider": leak.provider or None,
        "what": leak.what or None,
        "kind": leak.kind,
        "ref": leak.ref or None,
        "current": leak.current if leak.ref else None,
        "level": level(leak),
        "fingerprint": leak.fingerprint,
        "tail": leak.tail,
        "form": leak.form,
        "source": leak.source,
        "commit": leak.commit or None,
        "verdict": leak.verdict or None,
    }


def _skipped(skipped: Skipped) -> dict[str, str]:
    return {"path": skipped.path, "why": skipped.why}


def _stale(stale: Stale) -> dict[str, Any]:
    return {
        "ref": stale.ref or None,
        "reason": stale.reason,
        "severity": stale.severity,
        "detail": stale.detail,
        "next": stale.then,
    }


def _age(age: Age) -> dict[str, Any]:
    return {"ref": age.ref, "days": age.days, "known": age.known, "rotate_after_days": age.limit}
