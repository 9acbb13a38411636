"""Bytes in, bytes out. The only package that imports `cryptography`; it knows nothing of vaults or files."""
