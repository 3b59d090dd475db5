"""A live run that a person steers; what the window talks to."""

from .session import Session
from .status import State, Status

__all__ = ["Session", "State", "Status"]
