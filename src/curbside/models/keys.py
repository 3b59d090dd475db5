"""How a published checkpoint names the weights of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ["KeyMap"]


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """From the keys of somebody's checkpoint to ours.

    Keys of either side are those of a state dict, such as `layer1.0.conv1.weight`. A network's map
    leaves the encoder's keys under `encoder.` as they were published: `load_weights` joins it with
    every map that the encoder itself has, by `over`.
    """

    source: str
    """Whose checkpoint it is, in words."""
    rules: tuple[tuple[str, str], ...]
    """Regular expressions with their replacements, applied one after the other to every key of the file."""
    dropped: tuple[str, ...] = ()
    """Regular expressions of the file's keys that our network has no use for, matched from the start."""
    fresh: tuple[str, ...] = ()
    """Beginnings of our keys that such a file may lack; they keep their random weights."""
    spare: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensors of the published network that ours does without, by what the rules make of their names,
    with their shapes."""
    epsilons: Mapping[str, float] = field(default_factory=dict)
    """By beginnings of our keys, the epsilon of the published BatchNorm layers. Where ours is another,
    the difference goes into the running variance, so that the layer computes the same."""
    alike: tuple[tuple[str, str], ...] = ()
    """Regular expressions of our keys that such a file has once for several of ours, each with the key of
    ours that it has it under."""
    note: str = ""
    """What such a file does not tell and the network's settings must agree with, in a sentence."""
    encoder: KeyMap | None = None
    """What applies, after the rules, to the rest of a key that begins with `encoder.`."""

    def ours(self, key: str) -> str | None:
        """Our key for one of the file's; None where we have no use for it."""
        if any(re.match(pattern, key) for pattern in self.dropped):
            return None
        for pattern, replacement in self.rules:
            key = re.sub(pattern, replacement, key)
        if self.encoder is None or not key.startswith(_ENCODER):
            return key
        inner = self.encoder.ours(key.removeprefix(_ENCODER))
        return None if inner is None else _ENCODER + inner

    def stand_in(self, key: str) -> str:
        """The key of ours whose tensor of the file one of ours takes as well; itself in most files."""
        for pattern, replacement in self.alike:
            key = re.sub(pattern, replacement, key)
        if self.encoder is None or not key.startswith(_ENCODER):
            return key
        return _ENCODER + self.encoder.stand_in(key.removeprefix(_ENCODER))

    def over(self, encoder: KeyMap) -> KeyMap:
        """This map for files whose encoder is named in the way of another map."""
        return replace(
            self,
            source=f"{self.source} over {encoder.source}",
            encoder=encoder,
            fresh=(*self.fresh, *(_ENCODER + key for key in encoder.fresh)),
            spare={**self.spare, **{_ENCODER + k: v for k, v in encoder.spare.items()}},
            epsilons={**self.epsilons, **{_ENCODER + k: v for k, v in encoder.epsilons.items()}},
        )


_ENCODER = "encoder."
