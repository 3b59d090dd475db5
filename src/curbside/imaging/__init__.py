"""Pixels: reading and writing them safely, geometry with its inverses, normalisation, drawing."""

from .classes import class_map, sigmoid, softmax, top_class
from .drawing import (
    blend_classes,
    colorize,
    draw_legend,
    draw_objects,
    draw_scale,
    grey_frame,
    legend_rows,
    mask_classes,
)
from .geometry import Piece, Placement, resize_depth, resize_frame, resize_ids, resize_scores
from .heat import (
    blend_depth,
    blend_doubt,
    depth_palette,
    doubt_palette,
    encode_depth,
    encode_doubt,
)
from .normalization import IMAGENET, Normalization
from .raster import fill_polygon
from .reading import image_size_hw, read_depth, read_ids, read_rgb, verify_image
from .regions import Regions, encode_ids_png, write_ids
from .run_lengths import ColumnRuns, compress_all, compress_counts, crop_counts
from .video import VIDEO_SUFFIXES, VideoWriter, quiet_video
from .writing import encode_jpeg, encode_png, write_jpeg, write_png

__all__ = [
    "IMAGENET",
    "VIDEO_SUFFIXES",
    "ColumnRuns",
    "Normalization",
    "Piece",
    "Placement",
    "Regions",
    "VideoWriter",
    "blend_classes",
    "blend_depth",
    "blend_doubt",
    "class_map",
    "colorize",
    "compress_all",
    "compress_counts",
    "crop_counts",
    "depth_palette",
    "doubt_palette",
    "draw_legend",
    "draw_objects",
    "draw_scale",
    "encode_depth",
    "encode_doubt",
    "encode_ids_png",
    "encode_jpeg",
    "encode_png",
    "fill_polygon",
    "grey_frame",
    "image_size_hw",
    "legend_rows",
    "mask_classes",
    "quiet_video",
    "read_depth",
    "read_ids",
    "read_rgb",
    "resize_depth",
    "resize_frame",
    "resize_ids",
    "resize_scores",
    "sigmoid",
    "softmax",
    "top_class",
    "verify_image",
    "write_ids",
    "write_jpeg",
    "write_png",
]
