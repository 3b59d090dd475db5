"""What decides a sweep, and where it lies.

::

    sweep.json              the runs that are changed, what is tried and how it is chosen
    study.journal           every trial, as Optuna keeps it, unless a database does
    trials/0003/            the run folder of a trial
    trials/0003.json        its parameters and its whole config
    trials/0003.log         what its process said, of several at once
    trials.csv, sweep.md, sweep.html
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ...errors import ConfigError
from ...files import read_json, write_json
from ..run_config import RunConfig
from ..serialize import changed_settings, config_from_json, config_to_json
from .locks import locked
from .space import Space, Values

__all__ = ["Claim", "Job", "PrunerName", "SamplerName", "Sweep", "lock_of", "trial_key"]

FORMAT = "curbside-sweep"
_FIX = "choose another --out, or remove that folder to start anew"

SamplerName = Literal["tpe", "random"]
PrunerName = Literal["median", "hyperband", "none"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial as something to do."""

    key: str
    """Its run folder inside the sweep's."""
    number: int
    """Its number, from 0."""
    values: Values
    """Its parameters."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What makes a folder the one of a sweep."""

    id: str
    """Tells it from every other of the same name."""
    name: str
    """The name of its study, that of the folder when it was made; it may be moved since."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Everything that decides a sweep."""

    folder: Path
    """Where it lies."""
    bases: Mapping[str, RunConfig]
    """The run that is changed, for every choice of whole parts by `base_key`."""
    space: Space
    """What is tried."""
    sampler: SamplerName = "tpe"
    """Who proposes a trial: the tree-structured Parzen estimator of Bergstra et al. 2011, or chance."""
    pruner: PrunerName = "median"
    """Who breaks trials off: what is under the median of the others, Hyperband of Li et al. 2018, or nobody."""
    seed: int = 42
    """Decides the proposals."""
    storage: str | None = None
    """URL of the database that keeps the trials; `study.journal` where not given."""
    words: tuple[str, ...] = ()
    """The recipe and the settings of `curbside train` that all trials have in common."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.absolute().name

    def job(self, number: int, values: Values) -> Job:
        """A trial as something to do."""
        return Job(key=trial_key(number), number=number, values=values)

    def config(self, job: Job) -> RunConfig:
        """The run of a trial.

        Raises:
            ConfigError: The values do not go together.
        """
        return replace(self.space.apply(self.bases, job.values), out=self.folder / job.key)

    def command(self, values: Values) -> list[str]:
        """The words of the command that trains at a point again."""
        return ["curbside", "train", *self.words, *self.space.flags(values)]

    def claim(self) -> Claim:
        """Make the folder this sweep's, or see that it is.

        Returns:
            What the folder says.

        Raises:
            ConfigError: It holds another sweep, or something else.
        """
        path = self.folder / "sweep.json"
        if self.folder.is_dir():
            names = [item.name for item in self.folder.iterdir()]
            strange = [n for n in names if n != "sweep.lock" and not n.startswith(".partial-")]
            if strange and not path.exists():
                raise ConfigError(
                    f"{self.folder} is not empty and holds no sweep", fix="choose another --out"
                )
        with locked(self.folder / "sweep.lock"):
            if path.exists():
                return self._agreed(path)
            claim = Claim(id=secrets.token_hex(8), name=self.name)
            about = {"format": FORMAT, **asdict(claim), **self._decides()}
            write_json(path, about, durable=True)
            return claim

    def _agreed(self, path: Path) -> Claim:
        """What a file says of the sweep that it describes, which must be this one."""
        data = read_json(path, error=ConfigError, fix=_FIX)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ConfigError(f"{path} does not describe a sweep", fix=_FIX)
        try:
            for key in ("space", "sampler", "pruner", "seed", "storage"):
                old, new = data[key], self._decides()[key]
                if old != new:
                    raise ConfigError(
                        f"{self.folder} holds a sweep with another {key} ({_brief(old)}, not {_brief(new)})",
                        fix=_FIX,
                    )
            for key, base in self.bases.items():
                before = config_from_json(data["bases"][key], where=str(path))
                for name, first, second in changed_settings(before, base):
                    raise ConfigError(
                        f"{self.folder} holds a sweep with another {name} ({first}, not {second})",
                        fix=_FIX,
                    )
            return Claim(id=data["id"], name=data["name"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} does not describe a sweep ({type(error).__name__}: {error})", fix=_FIX
            ) from error

    def _decides(self) -> dict[str, Any]:
        return {
            "space": self.space.to_dict(),
            "sampler": self.sampler,
            "pruner": self.pruner,
            "seed": self.seed,
            "storage": None if self.storage is None else without_password(self.storage),
            "words": list(self.words),
            "bases": {key: config_to_json(base) for key, base in self.bases.items()},
        }


def without_password(url: str) -> str:
    """A URL without the name and the password in it."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return str(value)


def trial_key(number: int) -> str:
    """The run folder of a trial inside the sweep's."""
    return f"trials/{number:04d}"


def lock_of(folder: Path, key: str) -> Path:
    """The file that is held as long as somebody is at work on a trial."""
    return folder / f"{key}.lock"
