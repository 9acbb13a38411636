"""Whose address is it: a vendor's own, or one that the user set for a key."""

from __future__ import annotations

from urllib.parse import urlsplit

from keyvault.providers.schema import Provider


def is_theirs(provider: Provider | None, base_url: str) -> bool:
    """A key with this base URL of its own, or with none, goes to the vendor's own addresses."""
    if provider is None or not base_url:
        return provider is not None
    theirs = (*_bases(provider), *(url for check in provider.checks for url in check.urls))
    return _origin(base_url) in {_origin(url) for url in theirs}


def places(provider: Provider | None, base_url: str, urls: tuple[str, ...]) -> list[str]:
    """Which of a vendor's URLs such a key is asked about at, in order.

    Where its base URL is not the vendor's: below that, or nowhere. The other regions follow only where it is one of them.
    """
    base = base_url.rstrip("/")
    if not base or provider is None:
        return list(urls)
    own = [url for url in urls if _origin(url) == _origin(base)]
    if own:
        return own + [url for url in urls if url not in own]
    for known in (url.rstrip("/") for url in _bases(provider)):
        for url in urls:
            if url.startswith(known + "/"):
                return [base + url.removeprefix(known)]
    return list(urls) if is_theirs(provider, base) else []


def _bases(provider: Provider) -> list[str]:
    return [url for url in (provider.base_url, *provider.other_base_urls) if url]


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
