"""Where sealed blobs live. Knows no plaintext and no keys."""

DEADLINE = 60.0  # seconds that a writer waits for its turn
