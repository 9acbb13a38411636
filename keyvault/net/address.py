"""Addresses as HTTP carries them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_KEPT = "%/:@!$&'()*+,;=~"  # what means something in a path; % because it may be quoted already
_DEFAULT_PORTS = {"http": 80, "https": 443}


def ascii_url(url: str) -> str:
    """The address in ASCII, without fragment and needless port. Raises ValueError for what is none, or names a user."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if not host or "@" in parts.netloc or any(not "!" <= c <= "~" or c in '<>"`{}|\\^%' for c in host):
        raise ValueError("no host's name")
    where = f"[{host}]" if ":" in host else host
    if port not in (None, _DEFAULT_PORTS.get(parts.scheme)):
        where += f":{port}"
    path = quote(parts.path, safe=_KEPT) or "/"
    query = "?" + quote(parts.query, safe=_KEPT + "?") if parts.query else ""
    return f"{parts.scheme}://{where}{path}{query}"
