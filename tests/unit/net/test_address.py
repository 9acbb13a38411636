"""Addresses as HTTP carries them."""

from __future__ import annotations

import pytest

from keyvault.net.address import ascii_url


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://vendor.example", "https://vendor.example/"),
        ("https://Vendor.Example:443/v1", "https://vendor.example/v1"),
        ("http://localhost:80/v1", "http://localhost/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://vendor.example:8443/v1?a=b&c=d%20e", "https://vendor.example:8443/v1?a=b&c=d%20e"),
        ("https://vendor.example/bot1:a_b-c/me", "https://vendor.example/bot1:a_b-c/me"),
        ("https://vendor.example/a%2Fb/é ü?x=中", "https://vendor.example/a%2Fb/%C3%A9%20%C3%BC?x=%E4%B8%AD"),
        ("https://vendor.example/v1#part", "https://vendor.example/v1"),
    ],
)
def test_what_is_sent(url: str, sent: str) -> None:
    assert ascii_url(url) == sent
    assert ascii_url(sent) == sent, "an address is quoted once"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vendor.example/v1",
        "https:///v1",
        "https://ven dor.example/",
        "https://user:secret@vendor.example/",
        "https://vendor.example\\@thief.example/",
        "https://vendor%2eexample/",
        "https://vendor.example:99999/",
        "https://vendor.example:port/",
        "https://[::1/",
        "https://接口.example/",
        "https://\x7f.example/",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError):
        ascii_url(url)
