"""The prepared folder: the one layout that every source becomes.

::

    <root>/dataset.json                        label space, source, options, counts, format version
    <root>/samples.jsonl                       one line per sample: id, split, size, targets, tags
    <root>/{train,val,test}/images/<id>.jpg    the picture, as it came
    <root>/{train,val,test}/masks/<id>.png     8-bit class ids, 255 = ignore
    <root>/{train,val,test}/instances/<id>.png 16-bit, class * 1000 + index
    <root>/{train,val,test}/depth/<id>.png     16-bit, metres * 256, 0 = unknown
    <root>/{train,val,test}/confidence/<id>.png 8-bit, how far the depth is to be trusted

`PreparedWriter` makes one, atomic and resumable; `PreparedFolder` reads one.
"""

from .layout import DEPTH_SCALE, SPLITS, TARGETS, SampleData, SampleRecord
from .reader import PreparedFolder, Sample, evenly_spaced
from .writer import PreparedWriter, write_sample

__all__ = [
    "DEPTH_SCALE",
    "SPLITS",
    "TARGETS",
    "PreparedFolder",
    "PreparedWriter",
    "Sample",
    "SampleData",
    "SampleRecord",
    "evenly_spaced",
    "write_sample",
]
