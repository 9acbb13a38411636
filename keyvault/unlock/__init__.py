"""Getting from a passphrase, keyring, key file or recovery code to an open vault."""
