"""The model script (`.alls`): what Hailo's compiler is told beyond the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graphs.cut import Cut

__all__ = ["RECOMMENDED_PICTURES", "Optimization", "model_script"]

RECOMMENDED_PICTURES = 1024
"""With fewer, the compiler reduces its optimisation level to 0."""


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How the compiler quantises."""

    level: int
    """Its optimisation level, 0 to 4."""
    batch_size: int
    """Pictures that it calibrates on at once."""
    finetune: bool
    """Whether it trains the quantised weights towards the float network."""


def model_script(
    cut: Cut,
    names: Mapping[str, str],
    *,
    pictures: int,
    optimization: Optimization,
    wide: Sequence[str],
) -> str:
    """The text of a model script.

    Args:
        cut: The network.
        names: The compiler's layer for every node.
        pictures: Number of pictures in the calibration set.
        optimization: How the compiler quantises.
        wide: Nodes whose layers compute in 16 bits.
    """
    lines = [f"normalization1 = normalization({_values(cut.mean)}, {_values(cut.std)})"]
    lines += [
        f"change_output_activation({names[end.node]}, sigmoid)"
        for end in cut.ends
        if end.meaning == "class_scores"
    ]
    lines += [
        f"model_optimization_config(calibration, batch_size={optimization.batch_size},"
        f" calibset_size={pictures})",
        f"model_optimization_flavor(optimization_level={optimization.level}, compression_level=0)",
    ]
    if optimization.finetune:
        lines.append("post_quantization_optimization(finetune, policy=enabled)")
    layers = dict.fromkeys(names[node] for node in wide)
    lines += [f"quantization_param({layer}, precision_mode=a16_w16)" for layer in layers]
    return "\n".join(lines) + "\n"


def _values(numbers: Sequence[float]) -> str:
    return "[" + ", ".join(f"{number:.6g}" for number in numbers) + "]"
