"""Write a trained network as an ONNX model file, checked against its checkpoint."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from ..deploy import OperatorCheck
    from ..export import ExportConfig, InstanceVerification, Verification
    from ..manifest import DepthSpec
    from ..models import InstanceModel, SegmentationModel
    from ..training import InstanceRun, Run, RunConfig, YoloConfig

__all__ = ["export_instance_run", "export_run", "main"]

_PICTURES = 8
_SIZE_HW = (512, 512)


def main(argv: list[str]) -> None:
    """Entry of `curbside export`."""
    tyro.cli(_export, args=argv, prog="curbside export", description=__doc__)


def _export(
    run: Annotated[str, tyro.conf.Positional],
    /,
    *,
    out: Path | None = None,
    size_hw: tuple[int, int] | None = None,
    channels: Literal["bgr", "rgb"] = "bgr",
    outputs: Literal["ids", "confidence", "logits"] = "ids",
    opset: int = 17,
    target: str | None = None,
    check: bool = False,
    classes: int = 19,
    verify_data: Path | None = None,
    verify_split: Literal["train", "val", "test"] = "val",
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Write a trained network as an ONNX model file, checked against its checkpoint.

    Args:
        run: A run folder; with --check also the name of a network, to ask before it is trained.
        out: The file to write, ending in .onnx.
        size_hw: Height and width of the picture that goes in; the run's own where not given.
        channels: Order of the picture's colours; curbside's own runtime gives bgr.
        outputs: The class map (ids), with its probability (confidence) or every score (logits). What a
            run learned of depth is given as well, always.
        opset: Version of ONNX's operators, 13 to 18.
        target: A device whose compiler must take the network, such as hailo8.
        check: Only say which operators the target's compiler would take; nothing is written.
        classes: Number of classes of a network that is checked by its name.
        verify_data: A prepared folder with pictures to check on; generated ones where not given.
        verify_split: Which of its splits.
        as_json: Print JSON instead of lines.
    """

    from ..export import ExportConfig, check_export
    from ..training import InstanceRun, YoloConfig

    if check != (out is None):
        raise ConfigError(
            "--check writes nothing, so --out does not go with it"
            if check
            else "there is no file to write",
            fix="give one of --out M.onnx and --check",
        )
    if check and target is None:
        raise ConfigError("--check needs a target", fix="add --target hailo8")
    kind = None if out is None else _kind(run)
    if out is not None and isinstance(kind, YoloConfig):
        if outputs != "ids" or target is not None or verify_data is not None:
            raise ConfigError(
                f"{kind.title} is exported as Ultralytics does it, without --outputs, --target"
                " and --verify-data",
                fix="leave them out; curbside compile looks at the file for a device",
            )
        _export_yolo(kind, Path(run), out, size_hw, opset, as_json)
        return
    trained = _trained(run, check)
    config = ExportConfig(
        size_hw=size_hw or (trained.image_size_hw if trained else _SIZE_HW),
        channels=channels,
        outputs=outputs,
        opset=opset,
        target=target,
    )
    if out is None:
        model = trained.model if trained else _untrained(run, classes)
        _show_check(check_export(model, config, **_told(trained, model)), config, as_json)
        return
    assert trained is not None
    pictures = _pictures(verify_data, verify_split) if verify_data else None
    if isinstance(trained, InstanceRun):
        objects = export_instance_run(trained, out, config, pictures)
        _show_objects(trained.title, out, config, objects, verify_data, as_json)
        return
    found = export_run(trained, out, config, pictures)
    _show_file(trained, out, config, found, verify_data, as_json)


def _kind(run: str) -> RunConfig | None:
    """The config of a run folder; None where it is no folder that stands there."""
    from ..training import load_config

    return load_config(Path(run)) if Path(run).is_dir() else None


def _export_yolo(
    config: YoloConfig,
    run: Path,
    out: Path,
    size_hw: tuple[int, int] | None,
    opset: int,
    as_json: bool,
) -> None:
    from ..training import AGPL_NOTICE, export_yolo

    print(f"curbside export: {AGPL_NOTICE}", file=sys.stderr)
    found = export_yolo(run, out, size_hw=size_hw, opset=opset)
    size_bytes = out.stat().st_size
    if as_json:
        print(json.dumps({"file": str(out), "size_bytes": size_bytes, **asdict(found)}, indent=2))
        return
    height, width = size_hw or config.input_hw
    print(f"wrote     {out}, {size_bytes / 1e6:.2f} MB: {config.title},")
    print(f"          {width} x {height} pixels letterboxed, rgb in, opset {opset}")
    print(
        f"verified  on {found.pictures} pictures, in the runtime, against the checkpoint: boxes differ"
    )
    print(f"          by up to {found.box_difference:.1e} pixels, probabilities by", end=" ")
    print(f"{found.score_difference:.1e}, masks by {found.mask_difference:.1e}")
    print(f"next      curbside run {out} --source VIDEO")


def _trained(run: str, check: bool) -> Run | InstanceRun | None:
    """The run of a folder; None where it is a network's name that stands there, to be checked."""
    from ..models import instance_networks, load_network, networks
    from ..training import InstanceTrainConfig, load_instance_run, load_run

    named = {*networks(), *instance_networks()}
    if Path(run).is_dir() or "/" in run or (run not in named and not check):
        folder = Path(run)
        return (
            load_instance_run(folder)
            if isinstance(_kind(run), InstanceTrainConfig)
            else load_run(folder)
        )
    if run not in named:
        load_network(run)
    if check:
        return None
    raise ConfigError(
        f"the network {run} is not trained", fix="name a run folder, or ask about it with --check"
    )


def _untrained(name: str, classes: int) -> SegmentationModel | InstanceModel:
    from ..models import instance_networks, load_network

    if not 2 <= classes <= 255:
        raise ConfigError(f"--classes {classes} is impossible", fix="choose 2 to 255")
    config = instance_networks().get(name) or load_network(name)
    return config.build(classes).eval()


def _told(trained: Any, model: SegmentationModel | InstanceModel) -> dict[str, bool]:
    """Which answers of a network for pixels its file would give: what its run learned; untrained, all that
    it can."""
    from ..models import SegmentationModel

    if not isinstance(model, SegmentationModel):
        return {}
    both = ("semantic", "depth")
    answers = trained.config.targets if trained else both if model.depth_only else both[:1]
    return {answer: answer in answers for answer in both}


def _pictures(data: Path, split: str) -> list[np.ndarray]:
    from ..prepared import PreparedFolder, evenly_spaced

    samples = evenly_spaced(PreparedFolder(data).samples(split), _PICTURES)
    return [sample.read_bgr() for sample in samples]


def export_run(
    run: Run, out: Path, config: ExportConfig, pictures: Sequence[np.ndarray] | None = None
) -> Verification:
    """Write a run's network with all that the run knows of it; see `curbside.export.export_onnx`.

    Args:
        run: The run.
        out: The file to write, ending in .onnx.
        config: How it is written.
        pictures: (H, W, 3) uint8 BGR to check it on; generated ones where not given.
    """
    from ..export import export_onnx

    return export_onnx(
        run.model,
        out,
        config=config,
        space=run.space,
        title=run.title,
        source=run.source,
        scores=run.scores,
        temperature_scaling=run.temperature_scaling,
        threshold=run.threshold,
        depth=run.depth,
        semantic="semantic" in run.config.targets,
        pictures=pictures,
    )


def export_instance_run(
    run: InstanceRun, out: Path, config: ExportConfig, pictures: Sequence[np.ndarray] | None = None
) -> InstanceVerification:
    """The same of a run that finds objects; see `curbside.export.export_instances`."""
    from ..export import export_instances

    return export_instances(
        run.model,
        out,
        config=config,
        space=run.space,
        title=run.title,
        source=run.source,
        scores=run.scores,
        pictures=pictures,
    )


def _show_check(check: OperatorCheck, config: ExportConfig, as_json: bool) -> None:
    """Print what the target makes of every operator, then stop where it refuses one."""
    if as_json:
        print(json.dumps({"size_hw": list(config.size_hw), **check.to_dict()}, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        height, width = config.size_hw
        title = f"{check.target}: the network at {width} x {height}, opset {config.opset}"
        table = Table(title=escape(title), title_justify="left")
        table.add_column("operator", no_wrap=True)
        table.add_column("count", justify="right")
        table.add_column("verdict")
        table.add_column("why, and what to do", overflow="fold")
        for item in check.findings:
            verdict = "taken" if item.accepted else "refused"
            why = "" if item.accepted else f"{item.reason}; {item.advice} ({item.example})"
            table.add_row(item.kind, str(item.count), verdict, escape(why))
        console = Console()
        console.print(table)
        if check.accepted:
            console.print(
                "every operator between picture and scores would be taken; these rules come from"
                " public sources, the compiler itself has the last word"
            )
    check.require_accepted()


def _show_file(
    run: Run,
    out: Path,
    config: ExportConfig,
    found: Verification,
    verify_data: Path | None,
    as_json: bool,
) -> None:
    lines, given = [], []
    if found.agreement is not None:
        lines += [
            f"same class on {found.agreement:.4%} of the pixels,",
            f"largest logit difference {found.logit_difference:.2e} (logits up to"
            f" {found.logit_range:.1f})",
        ]
        given += ["ids"] if config.outputs == "ids" else ["ids", config.outputs]
    if found.confidence_difference is not None:
        lines.append(f"largest confidence difference {found.confidence_difference:.2e}")
    if found.depth_relative_difference is not None:
        lines.append(
            f"depth differs by {found.depth_relative_difference:.1e} of itself on the average,"
            f" by up to {found.depth_difference_m:.1e} m"
        )
        given.append("depth")
    what = f"{config.channels} in, {' and '.join(given)} out"
    _show_written(run.title, out, config, found, lines, verify_data, as_json, what=what)
    if as_json:
        return
    if run.depth is not None:
        print(f"metres    {_camera(run, run.depth, config)}")
    print(f"next      curbside quantize {out} --calibration DATA")


def _camera(run: Run, depth: DepthSpec, config: ExportConfig) -> str:
    """The camera that the metres of a file are for, in words."""
    far = "" if depth.max_m is None else f", up to {depth.max_m:g} m"
    if depth.focal_xy_px is None:
        return f"for the camera of the run's pictures alone: no sample told its focal length{far}"
    along_x, along_y = depth.focal_xy_px
    words = f" ({depth.camera})" if depth.camera else ""
    said = f"for a focal length of {along_x:.4g} x {along_y:.4g} px at the file's input{words}{far}"
    if config.size_hw == run.image_size_hw:
        return said
    height, width = run.image_size_hw
    return (
        f"{said};\n          the run learned at {width} x {height}: at this size the same camera has another"
        " focal\n          length, and its depth is off by the ratio of the two"
    )


def _show_objects(
    title: str,
    out: Path,
    config: ExportConfig,
    found: InstanceVerification,
    verify_data: Path | None,
    as_json: bool,
) -> None:
    lines = [
        f"raw class scores differ by up to {found.score_difference:.1e},"
        f" those of distances by {found.box_difference:.1e},",
        f"coefficients and prototypes by {found.mask_difference:.1e}",
    ]
    if found.objects:
        lines.insert(0, f"{found.agreement:.2%} of {found.objects} objects are the same,")
    what = f"letterboxed, {config.channels} in, maps out"
    _show_written(title, out, config, found, lines, verify_data, as_json, what=what)
    if not as_json:
        print(f"next      curbside run {out} --source VIDEO")


def _show_written(
    title: str,
    out: Path,
    config: ExportConfig,
    found: Verification | InstanceVerification,
    lines: Sequence[str],
    verify_data: Path | None,
    as_json: bool,
    *,
    what: str,
) -> None:
    """Print what was written, and how it was verified."""
    size_bytes = out.stat().st_size
    if as_json:
        print(json.dumps({"file": str(out), "size_bytes": size_bytes, **found.to_dict()}, indent=2))
        return
    height, width = config.size_hw
    print(f"wrote     {out}, {size_bytes / 1e6:.2f} MB: {title},")
    print(f"          {width} x {height} pixels, {what}, opset {config.opset}")
    pictures = f"pictures of {verify_data}" if verify_data else "generated pictures"
    print(f"verified  on {found.pictures} {pictures}, in the runtime, against the checkpoint:")
    for line in lines:
        print(f"          {line}")
