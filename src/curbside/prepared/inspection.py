"""One sample, each of its files decoded once: what is wrong with it, and what is counted in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ..errors import DataError
from ..files import inside
from ..imaging.reading import SIXTEEN_BITS
from ..imaging.strict import StrictImage, decode_luminance, decode_numbers, read_file
from ..labels import IGNORE_ID, PER_CLASS, LabelSpace
from .borders import Borders, run_lengths
from .findings import Finding
from .layout import DEPTH_SCALE, SampleRecord
from .listing import BareSample

__all__ = ["LUMINANCE_SIDE", "Case", "DepthSeen", "Inspection", "inspect"]

LUMINANCE_SIDE = 24


@dataclass(frozen=True, kw_only=True)
class Case:
    """A sample to look at."""

    split: str
    """Its split."""
    id: str
    """Its name, unique within the split."""
    image: str | None
    """The picture, relative to the root; None where a bare tree lacks it."""
    targets: tuple[tuple[str, str], ...]
    """Names of its targets and their files, relative to the root."""
    size_hw: tuple[int, int] | None
    """The size that was recorded; None in a bare tree."""
    annotated: tuple[str, ...] | None
    """Names of the classes that were annotated; None where it was all."""

    @classmethod
    def of(cls, sample: SampleRecord | BareSample) -> Case:
        """The case of a listed sample."""
        if isinstance(sample, SampleRecord):
            return cls(
                split=sample.split,
                id=sample.id,
                image=sample.image,
                targets=tuple((name, sample.target_path(name)) for name in sample.targets),
                size_hw=sample.size_hw,
                annotated=sample.annotated,
            )
        return cls(
            split=sample.split,
            id=sample.id,
            image=sample.image,
            targets=() if sample.mask is None else (("semantic", sample.mask),),
            size_hw=None,
            annotated=None,
        )


@dataclass(frozen=True, kw_only=True)
class DepthSeen:
    """What a depth map holds."""

    known: int
    """Pixels with a depth."""
    total: int
    """Pixels."""
    low: int
    """The smallest depth in the units of the file; 0 where none is known."""
    high: int
    """The largest."""
    tenths: np.ndarray
    """(N,) int64, pixels per depth in tenths of a metre, up to the largest depth."""


@dataclass(kw_only=True)
class Inspection:
    """What was found in a sample; small, for it travels between processes."""

    case: Case
    """The sample."""
    findings: list[Finding] = field(default_factory=list)
    """What is wrong with it."""
    luminance: bytes | None = None
    """The picture at 24 x 24 pixels, grey."""
    digest: bytes | None = None
    """SHA-256 of the picture's file."""
    pixels: dict[int, int] | None = None
    """Pixels per id of its mask."""
    borders: float | None = None
    """Share of the borders in its mask that look interpolated (`Borders.share`)."""
    instances: dict[int, int] | None = None
    """Objects per class in its instance map."""
    depth: DepthSeen | None = None
    """What its depth map holds."""

    def add(self, code: str, file: str | None, message: str) -> None:
        """Note something that is wrong."""
        case = self.case
        found = Finding(code=code, message=message, split=case.split, id=case.id, file=file)
        self.findings.append(found)


def inspect(case: Case, *, root: Path, space: LabelSpace) -> Inspection:
    """Look at one sample.

    Args:
        case: The sample.
        root: The folder it is in.
        space: What the ids of its mask mean.
    """
    seen = Inspection(case=case)
    size_hw = case.size_hw
    if case.image is None:
        seen.add("unpaired", case.targets[0][1], "the mask has no picture")
    else:
        image = _decode(seen, root, case.image, _look_at_picture)
        if image is not None:
            size_hw = size_hw or image.size_hw
            _check_size(seen, case.image, image, size_hw)
        if not case.targets and case.size_hw is None:
            seen.add("unpaired", case.image, "the picture has no mask")
    found: dict[str, np.ndarray] = {}
    for target, file in case.targets:
        image = _decode(seen, root, file, _numbers)
        if image is None:
            continue
        size_hw = size_hw or image.size_hw  # a picture that is gone says nothing
        right_size = _check_size(seen, file, image, size_hw)
        if _check_kind(seen, target, file, image) and right_size:
            found[target] = image.pixels
    files = dict(case.targets)
    if "semantic" in found:
        _look_at_mask(seen, files["semantic"], found["semantic"], space)
    if "instances" in found:
        _look_at_instances(
            seen, files["instances"], found["instances"], found.get("semantic"), space
        )
    if "depth" in found:
        _look_at_depth(seen, files["depth"], found["depth"])
    return seen


Decoder = Callable[[Inspection, bytes, str], StrictImage]


def _decode(seen: Inspection, root: Path, file: str, decoder: Decoder) -> StrictImage | None:
    try:
        return decoder(seen, read_file(_place(root, file)), file)
    except FileNotFoundError:
        seen.add("missing", file, "does not exist")
    except DataError as error:
        seen.add("damaged", file, error.what.removeprefix(f"{file} "))
    return None


def _place(root: Path, file: str) -> str | Path:
    """`inside`, which looks at every folder of the way, once per folder and for links alone."""
    folder, _, name = file.rpartition("/")
    if name in ("", ".", ".."):
        return inside(root, file)
    path = f"{_folder(root, folder)}/{name}"
    return inside(root, file) if os.path.islink(path) else path


@lru_cache(maxsize=64)
def _folder(root: Path, folder: str) -> str:
    return str(inside(root, folder))


def _look_at_picture(seen: Inspection, data: bytes, file: str) -> StrictImage:
    image = decode_luminance(data, file)
    seen.digest = hashlib.sha256(data).digest()
    grey = image.pixels
    small = cv2.resize(grey, (LUMINANCE_SIDE, LUMINANCE_SIDE), interpolation=cv2.INTER_AREA)
    seen.luminance = small.tobytes()
    if grey.min() == grey.max():
        seen.add("blank", file, f"every pixel has the luminance {grey.min()}")
    return image


def _numbers(_: Inspection, data: bytes, file: str) -> StrictImage:
    return decode_numbers(data, file)


def _check_size(seen: Inspection, file: str, image: StrictImage, want: tuple[int, int]) -> bool:
    if image.size_hw == want:
        return True
    (height, width), (right_height, right_width) = image.size_hw, want
    message = f"is {width} x {height} pixels, its sample is {right_width} x {right_height}"
    seen.add("size", file, message)
    return False


def _check_kind(seen: Inspection, target: str, file: str, image: StrictImage) -> bool:
    """Whether a target's file can hold what it should; noted where it cannot or is unusual."""
    wide = target in ("instances", "depth")
    mode, want = image.mode, 16 if wide else 8
    if image.format == "JPEG":
        seen.add("kind", file, "is a JPEG, which changes numbers")
    elif mode not in ("L", "P", "1", *SIXTEEN_BITS):
        seen.add("kind", file, f"holds {mode} pixels, not one number each")
    elif target == "depth" and mode not in SIXTEEN_BITS:
        seen.add("kind", file, "has 8 bits per pixel: metres * 256 need 16")
    elif mode in SIXTEEN_BITS and not _fits_16_bits(image.pixels):
        seen.add("kind", file, "holds numbers outside 0..65535")
    else:
        if mode in ("P", "1"):
            what = "a palette: its indices are" if mode == "P" else "1 bit per pixel: 0 and 1 are"
            seen.add("format", file, f"has {what} taken for the ids")
        elif (mode in SIXTEEN_BITS) != wide:
            seen.add("format", file, f"has {24 - want} bits per pixel, not {want}")
        elif image.format != "PNG":
            seen.add("format", file, f"is a {image.format} under the name of a PNG")
        return True
    return False


def _fits_16_bits(pixels: np.ndarray) -> bool:
    return pixels.dtype.itemsize == 2 or 0 <= pixels.min() <= pixels.max() < 1 << 16


def _look_at_mask(seen: Inspection, file: str, ids: np.ndarray, space: LabelSpace) -> None:
    if ids.dtype == bool:
        ids = ids.astype(np.uint8)
    line = ids.ravel()
    starts, lengths = run_lengths(line)
    counts = np.bincount(line[starts], lengths)
    pixels = {int(i): int(counts[i]) for i in np.flatnonzero(counts)}
    strange = [i for i in pixels if i > IGNORE_ID or not space.known[i]]
    if strange:
        named = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        total = sum(pixels[i] for i in strange)
        seen.add("unknown_id", file, f"{total:,} pixels hold ids that {space.name} lacks: {named}")
    else:
        seen.pixels = pixels
    labelled = [i for i in pixels if i != IGNORE_ID]
    if not labelled:
        seen.add("ignored", file, "every pixel is ignored")
    elif len(labelled) == 1:
        seen.add("one_class", file, f"its only class is {space.name_of(labelled[0])}")
    if seen.case.annotated is not None:
        names = [space.name_of(i) for i in labelled if i not in strange]
        surplus = [name for name in names if name not in seen.case.annotated]
        if surplus:
            message = f"holds {_listed(surplus)}, not annotated on this sample"
            seen.add("not_annotated", file, message)
    if ids.dtype == np.uint8:
        seen.borders = Borders.of(ids).share


def _look_at_instances(
    seen: Inspection, file: str, numbers: np.ndarray, ids: np.ndarray | None, space: LabelSpace
) -> None:
    line = numbers.ravel()
    begins = np.zeros(line.size, bool)
    if ids is not None:
        np.not_equal(ids.ravel()[1:], ids.ravel()[:-1], out=begins[1:])
    starts, lengths = run_lengths(line, begins)
    values = line[starts].astype(np.int64)
    classes = np.where(values >= PER_CLASS, values // PER_CLASS, values)
    things = {item.id for item in space.classes if item.has_instances}
    if ids is not None:
        masked = ids.ravel()[starts].astype(np.int64)
        # A group whose pixels the mask ignores is in doubt, as pseudo-labels have them.
        in_doubt = (masked == IGNORE_ID) & np.isin(values, list(things))
        wrong = (classes != masked) & ~in_doubt
        if 0 in things:  # objects of the class 0 look like plain class ids
            wrong &= (masked != 0) | (values >= PER_CLASS)
        if wrong.any():
            first = int(np.argmax(wrong))
            one, other = (space.name_of(int(part[first])) for part in (classes, masked))
            message = (
                f"{lengths[wrong].sum():,} pixels are of another class than in the mask, "
                f"such as {one} instead of {other}"
            )
            seen.add("instance_class", file, message)
    objects = np.unique(values[values >= PER_CLASS]) // PER_CLASS
    per_class, counts = np.unique(objects, return_counts=True)
    found = {int(c): int(n) for c, n in zip(per_class, counts, strict=True)}
    stuff = [space.name_of(c) for c in found if c not in things]
    if stuff:
        seen.add("instance_stuff", file, f"counts objects of {_listed(stuff)}")
    seen.instances = found


def _look_at_depth(seen: Inspection, file: str, numbers: np.ndarray) -> None:
    counts = np.bincount(numbers.ravel())
    counts[0] = 0  # unknown
    depths = np.flatnonzero(counts)
    if not depths.size:
        seen.add("no_depth", file, "every pixel is unknown")
    tenths = np.rint(depths * (10 / DEPTH_SCALE)).astype(np.int64)
    seen.depth = DepthSeen(
        known=int(counts.sum()),
        total=numbers.size,
        low=int(depths[0]) if depths.size else 0,
        high=int(depths[-1]) if depths.size else 0,
        tenths=np.bincount(tenths, counts[depths]).astype(np.int64),
    )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
