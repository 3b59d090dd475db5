"""How fast model files run live: the threaded pipeline beside the bare networks, in turns."""

from .memory import MemoryUse
from .networks import Networks, fixed_input, open_networks
from .report import AtRate, BareNetwork, BenchmarkReport, ModelSpeed, Round
from .run import benchmark
from .timing import Block, PacedBlock, draw_overlay, time_at_rate, time_bare, time_pipeline

__all__ = [
    "AtRate",
    "BareNetwork",
    "BenchmarkReport",
    "Block",
    "MemoryUse",
    "ModelSpeed",
    "Networks",
    "PacedBlock",
    "Round",
    "benchmark",
    "draw_overlay",
    "fixed_input",
    "open_networks",
    "time_at_rate",
    "time_bare",
    "time_pipeline",
]
