"""A small page for a device without a screen: the live picture and its figures, in any browser."""

from .access import make_token
from .board import Board, BoardConfig
from .facts import live_facts
from .server import LivePage

__all__ = ["Board", "BoardConfig", "LivePage", "live_facts", "make_token"]
