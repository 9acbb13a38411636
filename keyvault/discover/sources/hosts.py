"""Which vendor a host belongs to, and which one a name means; by the catalogue's own addresses and names."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from keyvault.providers import catalogue

# Hosts at which the vendor's keys are taken, though they are no address of its API.
_MORE = {
    "github.com": "github",
    "gist.github.com": "github",
    "npm.pkg.github.com": "github",
    "ghcr.io": "github",
    "gitlab.com": "gitlab",
    "huggingface.co": "huggingface",
    "pypi.org": "pypi",
}


def vendor_of_host(host: str) -> tuple[str, str]:
    """The vendor and a label for its key. A host that is nobody's has no vendor: `check` must not send its key elsewhere."""
    name = host.lower().partition(":")[0].rstrip(".")
    if name == "test.pypi.org":
        return "pypi", "testpypi"
    vendor = _MORE.get(name) or _hosts().get(name, "")
    return (vendor, "") if vendor else ("", name)


@cache
def _hosts() -> dict[str, str]:
    hosts: dict[str, str] = {}
    for provider in catalogue.our_own():
        for url in (provider.base_url, *provider.other_base_urls):
            host = urlsplit(url).hostname if url else None
            if host:
                hosts.setdefault(host, provider.id)
    return hosts


def vendor_called(name: str) -> str:
    """The id of the vendor that a program or a person calls so, or an empty string."""
    wanted = name.strip().casefold()
    spellings = {wanted, wanted.replace(" ", "-"), wanted.replace("_", "-")}
    return next((known for spelling in sorted(spellings) if (known := _names().get(spelling))), "")


@cache
def _names() -> dict[str, str]:
    names = {"gemini": "google-gemini", "grok": "xai", "claude": "anthropic", "nvidia": "nvidia-nim", "hf": "huggingface"}
    for provider in catalogue.everyone():
        for spelling in (provider.name, *provider.aliases):
            names.setdefault(spelling.casefold(), provider.id)
    return names | {provider_id: provider_id for provider_id in catalogue.ids()}
