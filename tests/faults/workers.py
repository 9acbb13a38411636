"""What the fork server's children do besides commands."""

from __future__ import annotations
