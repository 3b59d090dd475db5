"""The prepared folder: the one layout that every source becomes.

::

    <root>/dataset.json                        label space, source, options, counts, format version
    <root>/samples.jsonl                       one line per sample: id, split, size, targets, tags
    <root>/{train,val,test}/images/<id>.jpg    the picture, as it came
    <root>/{train,val,test}/masks/<id>.png     8-bit class ids, 255 = ignore
    <root>/{train,val,test}/instances/<id>.png 16-bit, class * 1000 + index
    <root>/{train,val,test}/depth/<id>.png     16-bit, metres * 256, 0 = unknown
    <root>/{train,val,test}/confidence/<id>.png 8-bit, how far the depth is to be trusted
    <root>/quarantine.jsonl                    samples that are set aside, and why; may be absent

`PreparedWriter` makes one, atomic and resumable; `PreparedFolder` reads one; `examine` says what is
wrong with one, and `write_quarantine` sets samples aside.
"""

from .doctor import Diagnosis, examine
from .duplicates import Leak
from .figures import ClassWeights, SplitFigures, class_weights
from .findings import CHECKS, Check, Finding
from .layout import (
    DEPTH_SCALE,
    MAX_INDEX,
    PSEUDO_LABELS,
    SPLITS,
    TARGETS,
    SampleData,
    SampleRecord,
)
from .objects import FoundObject, check_values, find_objects, lacks_objects
from .pictures import picture_samples
from .quarantine import Quarantine, read_quarantine, write_quarantine
from .reader import PreparedFolder, Sample, evenly_spaced
from .writer import PreparedWriter, write_sample

__all__ = [
    "CHECKS",
    "DEPTH_SCALE",
    "MAX_INDEX",
    "PSEUDO_LABELS",
    "SPLITS",
    "TARGETS",
    "Check",
    "ClassWeights",
    "Diagnosis",
    "Finding",
    "FoundObject",
    "Leak",
    "PreparedFolder",
    "PreparedWriter",
    "Quarantine",
    "Sample",
    "SampleData",
    "SampleRecord",
    "SplitFigures",
    "check_values",
    "class_weights",
    "evenly_spaced",
    "examine",
    "find_objects",
    "lacks_objects",
    "picture_samples",
    "read_quarantine",
    "write_quarantine",
    "write_sample",
]
