"""From a graph in torch to a slim one in ONNX."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

from .. import __version__
from ..errors import ModelFileError
from .picture import PictureGraph

__all__ = ["OPSETS", "to_onnx"]

OPSETS = range(13, 19)
"""Versions of ONNX's operators that a file may have."""
_UNFIXED = {"Shape", "Size", "NonZero", "Loop", "If", "Scan", "Compress", "Unique"}
"""Operators that make a size or the way through the graph depend on data or on another size."""


def to_onnx(graph: PictureGraph, opset: int) -> onnx.ModelProto:
    """The slimmed graph; the tensors of `output_names` bear these names, output or not.

    Raises:
        ModelFileError: It has parts that ONNX lacks at this opset, or whose size is not fixed.
    """
    import onnxslim

    frame = torch.zeros(1, *graph.input_spec.size_hw, 3, dtype=torch.uint8)
    try:
        with tempfile.TemporaryDirectory(prefix="curbside-") as folder, torch.no_grad(), _quiet():
            traced = str(Path(folder) / "traced.onnx")
            # torch's newer exporter writes opset 18 and up alone, turns global pooling into
            # ReduceMean with a Gather over the gate, and fails on DeepLabV3+'s pyramid.
            torch.onnx.export(
                graph,
                (frame,),
                traced,
                dynamo=False,
                opset_version=opset,
                input_names=[graph.input_spec.name],
                output_names=list(graph.output_names),
            )
            proto = onnxslim.slim(onnx.load(traced))
    except RuntimeError as error:  # torch.onnx raises its own kinds of it
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"the network has a part that ONNX opset {opset} cannot express ({reason})",
            fix=f"choose a higher opset, up to {OPSETS[-1]}, or another network",
        ) from error
    unfixed = next((node for node in proto.graph.node if node.op_type in _UNFIXED), None)
    if unfixed is not None:
        raise ModelFileError(
            f"the exported graph is not of one fixed shape: {unfixed.name or unfixed.output[0]}"
            f" is a {unfixed.op_type}",
            fix="build the network without branches or sizes that depend on the picture",
        )
    del proto.graph.output[len(graph.output_specs) :]
    proto.producer_name, proto.producer_version = "curbside", __version__
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their developers off the terminal.

    When it fails, torch's exporter writes the whole graph to the standard output from C++.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
            os.dup2(nowhere.fileno(), 1)
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        logger.setLevel(level)
