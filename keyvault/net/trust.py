"""Whose certificates are believed: those that the system trusts."""

from __future__ import annotations

import os
import ssl
import sys

# Where distributions keep their certificates, for an OpenSSL that was built elsewhere and looks in other places.
# Source: the packages ca-certificates of Debian, Fedora, openSUSE, Alpine and Arch.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_trust() -> ssl.SSLContext:
    """TLS for a client, with certificate and host name verified.

    macOS and Windows give their own verdict on a certificate, through truststore. Elsewhere OpenSSL reads the certificates:
    once, for that takes longer than a handshake.
    """
    if sys.platform in ("darwin", "win32"):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.set_default_verify_paths()
    if not _finds_any() and (bundle := next(filter(os.path.isfile, _BUNDLES), None)):
        trust.load_verify_locations(bundle)
    return trust


def _finds_any() -> bool:
    """OpenSSL's own places, or those that SSL_CERT_FILE and SSL_CERT_DIR name, hold something."""
    places = ssl.get_default_verify_paths()
    return bool(places.cafile or (places.capath and os.listdir(places.capath)))
