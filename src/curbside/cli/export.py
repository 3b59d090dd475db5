"""Write a trained network as an ONNX model file, checked against its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ["main"]

_PICTURES = 8


def main(argv: list[str]) -> None:
    """Entry of `curbside export`."""
    tyro.cli(_export, args=argv, prog="curbside export", description=__doc__)


def _export(
    run: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    size_hw: tuple[int, int] | None = None,
    channels: Literal["bgr", "rgb"] = "bgr",
    outputs: Literal["ids", "confidence", "logits"] = "ids",
    opset: int = 17,
    verify_data: Path | None = None,
    verify_split: Literal["train", "val", "test"] = "val",
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Write a trained network as an ONNX model file, checked against its checkpoint.

    Args:
        run: A run folder.
        out: The file to write, ending in .onnx.
        size_hw: Height and width of the picture that goes in; the run's own where not given.
        channels: Order of the picture's colours; curbside's own runtime gives bgr.
        outputs: The class map (ids), with its probability (confidence) or every score (logits).
        opset: Version of ONNX's operators, 13 to 18.
        verify_data: A prepared folder with pictures to check on; generated ones where not given.
        verify_split: Which of its splits.
        as_json: Print JSON instead of lines.
    """

    from ..export import ExportConfig, export_onnx
    from ..prepared import PreparedFolder, evenly_spaced
    from ..training import load_run

    pictures = None
    if verify_data is not None:
        samples = evenly_spaced(PreparedFolder(verify_data).samples(verify_split), _PICTURES)
        pictures = [sample.read_bgr() for sample in samples]
    trained = load_run(run)
    config = ExportConfig(
        size_hw=size_hw or trained.image_size_hw, channels=channels, outputs=outputs, opset=opset
    )
    found = export_onnx(
        trained.model,
        out,
        config=config,
        space=trained.space,
        title=trained.title,
        source=trained.source,
        scores=trained.scores,
        pictures=pictures,
    )
    size_bytes = out.stat().st_size
    if as_json:
        print(json.dumps({"file": str(out), "size_bytes": size_bytes, **found.to_dict()}, indent=2))
        return
    height, width = config.size_hw
    given = "ids" if outputs == "ids" else f"ids and {outputs}"
    print(f"wrote     {out}, {size_bytes / 1e6:.2f} MB: {trained.title},")
    print(f"          {width} x {height} pixels, {channels} in, {given} out, opset {opset}")
    what = f"pictures of {verify_data}" if verify_data else "generated pictures"
    print(f"verified  on {found.pictures} {what}, in the runtime, against the checkpoint:")
    print(f"          same class on {found.agreement:.4%} of the pixels,")
    print(f"          largest logit difference {found.logit_difference:.2e}", end=" ")
    print(f"(logits up to {found.logit_range:.1f})")
    if found.confidence_difference is not None:
        print(f"          largest confidence difference {found.confidence_difference:.2e}")
    print(f"next      curbside quantize {out} --calibration DATA")
