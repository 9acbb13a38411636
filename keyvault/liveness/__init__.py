"""Does a key still work, and what is left on it: what a vendor's answers mean."""
