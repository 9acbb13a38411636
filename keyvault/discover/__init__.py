"""Find keys that lie about in plain text, and take them in."""
