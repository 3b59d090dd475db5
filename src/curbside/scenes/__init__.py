"""Drawn driving scenes with exact labels, instances and depth: the data curbside carries along.

A `World` is one street, endless and always the same for its seeds: its course, lanes, kerbs and
plots, and everyone on it. `World.scene` looks at it through a pinhole camera and gives a `Scene`:
a picture, the labelled polygons it was painted into, and the depth. The masks are those polygons
drawn in order by Pillow's rule, which is also how IDD's own annotations become masks, so a set
written by `write_layout` and converted equals one written by `write_prepared`, pixel for pixel.

::

    ScenesConfig ──▶ draw_scene(seed, index, condition) ──▶ Scene ──▶ write_layout, write_prepared
                     drive_through(seed, frames)        ──▶ frames ──▶ write_video

Everything follows from the seeds: the same ones give the same bytes.
"""

from .config import CONDITIONS, Annotation, ScenesConfig
from .drawing import World, draw_scene
from .layouts import layout_names
from .scene import LabelledPolygon, Scene
from .video import check_video, drive_through, write_video
from .writing import write_layout, write_prepared

__all__ = [
    "CONDITIONS",
    "Annotation",
    "LabelledPolygon",
    "Scene",
    "ScenesConfig",
    "World",
    "check_video",
    "draw_scene",
    "drive_through",
    "layout_names",
    "write_layout",
    "write_prepared",
    "write_video",
]
