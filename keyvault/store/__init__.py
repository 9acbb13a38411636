"""Where sealed blobs live. Knows no plaintext and no keys."""
