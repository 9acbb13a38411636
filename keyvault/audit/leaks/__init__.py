"""Search for keys in files and in git's history: one's own exactly, others by their shape."""
