"""Replacing a key everywhere without losing either value: the workflow, the vendors' ways, the files that hold the key."""
