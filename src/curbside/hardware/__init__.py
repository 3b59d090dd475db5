"""What this device is, and how it is doing: cores, memory, load, temperature, throttling.

What a device does not tell is None or empty; reading never raises.
"""

from .condition import Condition, Temperature, Throttling, read_condition
from .memory import Memory, give_back_memory, keep_one_heap, read_memory, reset_peak_memory
from .processor import (
    CoreTimes,
    board_name,
    computes_bf16,
    core_count,
    cpu_model,
    read_core_times,
    thread_count,
)

__all__ = [
    "Condition",
    "CoreTimes",
    "Memory",
    "Temperature",
    "Throttling",
    "board_name",
    "computes_bf16",
    "core_count",
    "cpu_model",
    "give_back_memory",
    "keep_one_heap",
    "read_condition",
    "read_core_times",
    "read_memory",
    "reset_peak_memory",
    "thread_count",
]
