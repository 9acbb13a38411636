"""The unlocked, warm process: who may ask it, what it answers, and when it ends."""
