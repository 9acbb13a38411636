"""What needs attention: keys that are stale, and keys that lie where they should not."""
