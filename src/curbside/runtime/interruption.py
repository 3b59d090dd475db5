"""A run of a network that nobody waits for any more."""

from __future__ import annotations

__all__ = ["RunInterrupted"]


class RunInterrupted(Exception):
    """A backend's `interrupt` ended the run; it has no outputs."""
