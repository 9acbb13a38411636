"""What one answer says about a key. The vendor's own rules decide first, and what they do not know is not called invalid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from keyvault.providers.schema import Check

if TYPE_CHECKING:
    from keyvault.net.client import Answer  # a hook that only reads verdicts need not load it

VALID, RESTRICTED, NO_CREDIT, RATE_LIMITED, DISABLED = "valid", "restricted", "no_credit", "rate_limited", "disabled"
INVALID, INVALID_HERE, REFUSED, UNREACHABLE, UNKNOWN = "invalid", "invalid_here", "refused", "unreachable", "unknown"

# verdict -> (usable, what it means, what to do next). {page} is where the vendor's keys are made, {ref} the key.
MEANINGS: dict[str, tuple[bool | None, str, str]] = {
    VALID: (True, "it works", ""),
    RESTRICTED: (True, "it works, but may not do everything", "fine if that is meant; its rights are set at {page}"),
    NO_CREDIT: (False, "it is right, but there is no credit left", "top up the account at {page}"),
    RATE_LIMITED: (None, "the vendor answers too many requests; nothing says it is bad", "check again later"),
    DISABLED: (False, "the vendor has switched it off", "make a new one at {page}, then: keyvault edit --value {ref}"),
    INVALID: (False, "the vendor rejects it", "make a new one at {page}, then: keyvault edit --value {ref}"),
    INVALID_HERE: (
        False,
        "rejected here; it may belong to another region or address of the vendor",
        "say where it belongs: keyvault edit {ref} --base-url URL, or --field for a region or host",
    ),
    REFUSED: (
        False,
        "refused: dead, lacking a right, or blocked from where you are",
        "try from another network; see its rights at {page}; if it is dead, make a new one",
    ),
    UNREACHABLE: (None, "no answer", "look at the network and at HTTPS_PROXY, then check again"),
    UNKNOWN: (None, "the answer does not tell", "try it in the vendor's own program, or look at {page}"),
}
ALL = tuple(MEANINGS)
BAD = (INVALID, INVALID_HERE, REFUSED, DISABLED)  # what makes `check` exit with 7 unless --fail-on says otherwise

_PLAIN = {200: VALID, 401: INVALID, 402: NO_CREDIT, 403: REFUSED, 429: RATE_LIMITED}
# A string that never ends goes on to the end of the body, so that no body takes longer than its length.
_OUTSIDE_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|\s+', re.DOTALL)


class Reading(NamedTuple):
    """A verdict and its cause in a few words; an empty cause means that the verdict says it all."""

    verdict: str
    why: str = ""


def usable(verdict: str) -> bool | None:
    """Whether a key with that verdict can be used: yes, no, or not known."""
    return MEANINGS[verdict][0] if verdict in MEANINGS else None


def read(check: Check, answer: Answer) -> Reading:
    """What the answer means by the vendor's rules, in their order, and after them by what is true of most vendors."""
    if answer.is_html and answer.status != 401:
        return _page(answer)
    bodies = () if answer.is_html else _spellings(answer.body)  # the words of a page are nobody's error codes
    for rule in check.rules:
        if rule.status == answer.status and (not rule.body or any(_holds(body, rule.body) for body in bodies)):
            return Reading(rule.verdict, rule.why)
    if answer.status in check.valid:
        return Reading(VALID)
    return _plain(answer)


def read_strictly(check: Check, answer: Answer) -> Reading:
    """401 and 403 are invalid, a good status is valid, without any refinement; what no status tells is read as ever."""
    if answer.status in (401, 403):
        return Reading(INVALID, f"the answer was {answer.status}")
    return Reading(VALID) if answer.status in check.valid and not answer.is_html else read(check, answer)


def refuses(check: Check, answer: Answer) -> bool:
    """The answer turns a stranger away. Trouble of the server, throttling or a page do not."""
    if answer.is_html and answer.status != 401:
        return False
    return answer.status in (400, 401, 403, 422) or read(check, answer).verdict in BAD


def _plain(answer: Answer) -> Reading:
    status = answer.status
    if status == 429 and answer.retry_after:
        return Reading(RATE_LIMITED, f"too many requests; the vendor asks to wait {answer.retry_after:.0f} s")
    if status in _PLAIN and status != 200:
        return Reading(_PLAIN[status])
    if 300 <= status < 400:
        return Reading(UNKNOWN, f"the answer was a redirect ({status}), which keyvault does not follow with a key")
    if status >= 500:
        return Reading(UNKNOWN, f"the vendor has trouble of its own ({status})")
    reasons = {407: "a proxy wants a password", 404: "the address was not found", 451: "blocked for legal reasons"}
    return Reading(UNKNOWN, f"{reasons.get(status, 'no rule of the catalogue fits this answer')} ({status})")


def _page(answer: Answer) -> Reading:
    """A page for people is no answer of an API, whatever its status; only 401 is asked for by no firewall."""
    return Reading(
        UNKNOWN, f"a web page came back ({answer.status}): a firewall, a proxy or a login page, not the vendor's API"
    )


def _spellings(body: str) -> tuple[str, str]:
    """The body in lower case, as it is and without the blanks between JSON parts."""
    lowered = body.lower()
    return lowered, _OUTSIDE_STRINGS.sub(r"\1", lowered)


def _holds(body: str, marker: str) -> bool:
    """The marker is in the body, and no digit goes on where it begins or ends."""
    sought = re.escape(marker.lower()) + (r"(?!\d)" if marker[-1].isdigit() else "")
    return re.search((r"(?<!\d)" if marker[0].isdigit() else "") + sought, body) is not None
