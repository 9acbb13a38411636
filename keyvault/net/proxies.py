"""Which proxy a request goes through: as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say, or the system's settings."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from keyvault.core.errors import InvalidInput

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")  # no others: what is asked in clear must not go to a proxy
_SPOKEN = ("http", "https", "socks5", "socks5h")


class Proxies(NamedTuple):
    """The settings, read once: they do not change while keyvault runs."""

    by_scheme: Mapping[str, httpcore.Proxy]

    def of(self, url: str) -> httpcore.Proxy | None:
        """The proxy for this address, or None where it is asked directly."""
        parts = urlsplit(url)
        proxy = self.by_scheme.get(parts.scheme) or self.by_scheme.get("all")
        host = parts.hostname or ""
        return None if proxy is None or host in THIS_MACHINE or proxy_bypass(host) else proxy


def configured(trust: ssl.SSLContext) -> Proxies:
    """What the environment or the system says. Raises InvalidInput for a setting that makes no sense."""
    try:
        return Proxies({kind: _proxy(url, trust) for kind, url in getproxies().items() if kind in ("http", "https", "all")})
    except ValueError as exc:
        raise InvalidInput("HTTPS_PROXY, HTTP_PROXY or ALL_PROXY holds no proxy's URL", "write http://HOST:PORT") from exc


def _proxy(url: str, trust: ssl.SSLContext) -> httpcore.Proxy:
    """Raises ValueError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname
    if parts.scheme not in _SPOKEN or not host or not host.isascii() or not host.isprintable() or " " in host:
        raise ValueError("no proxy that can be spoken to")
    port = parts.port or (443 if parts.scheme == "https" else 1080 if parts.scheme.startswith("socks") else 80)
    auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode()) if parts.username else None
    return httpcore.Proxy(
        httpcore.URL(scheme=parts.scheme, host=host, port=port, target="/"),
        auth=auth,
        ssl_context=trust if parts.scheme == "https" else None,
    )
