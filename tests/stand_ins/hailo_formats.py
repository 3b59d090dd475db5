"""What the stand-ins for Hailo's software hand to each other: archives (HAR) and executables (HEF).

The frames are those that are public: a HAR is a tar file with the graph as JSON in `.hn`; a HEF is a
big-endian header before a protocol buffer. What Hailo puts inside is not public: here it is the cut
ONNX graph, so that a HEF can really be run.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ARCHS = {"hailo8": 0, "hailo8l": 3, "hailo10h": 5}
_KINDS = {"Conv": "conv", "ConvTranspose": "deconv", "Concat": "concat", "MaxPool": "maxpool"}
_ACTIVATIONS = ("Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Clip", "LeakyRelu")


class Refused(Exception):
    """What the vendor's program would stop at."""


def parse_model(path: Path, network: str, arch: str, ends: list[str]) -> dict[str, Any]:
    """The content of a fresh HAR.

    Layers are counted in the order of the ONNX file, which is not how the real parser counts.
    """
    if arch not in ARCHS:
        raise Refused(f"unknown hw-arch {arch}")
    if not re.fullmatch(r"[A-Za-z_]\w*", network):
        raise Refused(f"{network} is no name for a network")
    proto = onnx.load(str(path))
    if len(proto.graph.input) != 1:
        raise Refused("expected one input")
    by_name = {node.name: node for node in proto.graph.node}
    for end in ends:
        if end not in by_name:
            raise Refused(f"no node {end} in {path.name}")
    sides = [side.dim_value for side in proto.graph.input[0].type.tensor_type.shape.dim]
    if len(sides) != 4 or sides[1] != 3 or min(sides) < 1:
        raise Refused(f"the input of shape {sides} is no picture")
    layers: dict[str, Any] = {f"{network}/input_layer1": {"type": "input_layer"}}
    counts: Counter[str] = Counter()
    layer_of: dict[str, str] = {}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            continue
        inside = {layer_of.get(name) for name in node.input} - {None}
        merged = node.op_type in _ACTIVATIONS or (node.op_type == "Mul" and len(node.input) == 2)
        if merged and len(inside) == 1 and all(name in layer_of for name in node.input):
            layer = inside.pop()
        else:
            kind = _KINDS.get(node.op_type, node.op_type.lower())
            counts[kind] += 1
            layer = f"{network}/{kind}{counts[kind]}"
            layers[layer] = {"type": kind, "original_names": []}
        assert layer is not None
        layers[layer]["original_names"].append(node.name)
        layer_of.update(dict.fromkeys(node.output, layer))
    outputs = [
        {"layer": layer_of[by_name[end].output[0]], "tensor": by_name[end].output[0], "node": end}
        for end in ends
    ]
    for number, output in enumerate(outputs, 1):
        layers[f"{network}/output_layer{number}"] = {
            "type": "output_layer",
            "input": [output["layer"]],
            "original_names": [output["node"]],
        }
    return {
        "state": "hailo_model",
        "network": network,
        "arch": arch,
        "layers": layers,
        "outputs": outputs,
        "size_hw": sides[2:],
        "onnx": proto.SerializeToString(),
    }


def write_har(path: Path, har: dict[str, Any]) -> None:
    """Store a HAR."""
    network = har["network"]
    rest = {key: value for key, value in har.items() if key not in ("onnx", "layers")}
    parts = {
        f"{network}.metadata.json": json.dumps(rest).encode(),
        f"{network}.hn": json.dumps({"name": network, "layers": har["layers"]}).encode(),
        f"{network}.npz": har["onnx"],
    }
    with tarfile.open(path, "w") as tar:
        for name, content in parts.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))


def read_har(path: Path) -> dict[str, Any]:
    """What `write_har` stored."""
    try:
        with tarfile.open(path) as tar:
            parts = {}
            for item in tar.getmembers():
                file = tar.extractfile(item)
                assert file is not None
                parts[item.name.split(".", 1)[1]] = file.read()
    except (OSError, tarfile.TarError) as error:
        raise Refused(f"{path} is no HAR ({error})") from None
    har = json.loads(parts["metadata.json"])
    return {**har, "layers": json.loads(parts["hn"])["layers"], "onnx": parts["npz"]}


def optimize_har(har: dict[str, Any], script: str, pictures: np.ndarray) -> list[str]:
    """Take a model script and a calibration set, (N, H, W, 3); returns what the log says."""
    if har["state"] != "hailo_model":
        raise Refused(f"a model in the state {har['state']} cannot be optimised")
    if pictures.shape[1:] != (*har["size_hw"], 3):
        raise Refused(f"calibration pictures of {pictures.shape[1:]} for {har['size_hw']}")
    if pictures.min() < 0 or pictures.max() > 255 or pictures.max() <= 3:
        raise Refused("calibration pictures are not raw values of 0..255")
    facts = read_script(script, har)
    if facts["calibset_size"] > len(pictures):
        raise Refused(f"calibset_size {facts['calibset_size']} of {len(pictures)} pictures")
    har.update(state="quantized_model", **facts)
    if facts["level"] > 0 and len(pictures) < 1024:
        return ["Reducing optimization level to 0 because there's less data than 1024"]
    return []


def read_script(script: str, har: dict[str, Any]) -> dict[str, Any]:
    """The commands of a model script; an unknown one, or one for an unknown layer, is refused."""
    facts: dict[str, Any] = {"sigmoids": [], "wide": [], "calibset_size": 64, "level": 0}
    facts["normalization"] = None
    number = r"[-+\d.e]+"
    numbers = rf"\[({number}), ({number}), ({number})\]"
    for line in script.splitlines():
        if found := re.fullmatch(rf"normalization1 = normalization\({numbers}, {numbers}\)", line):
            values = [float(value) for value in found.groups()]
            facts["normalization"] = [values[:3], values[3:]]
        elif found := re.fullmatch(r"change_output_activation\((\w+), sigmoid\)", line):
            layer = f"{har['network']}/{found[1]}"
            if layer not in [output["layer"] for output in har["outputs"]]:
                raise Refused(f"{found[1]} is no output")
            facts["sigmoids"].append(layer)
        elif found := re.fullmatch(
            r"model_optimization_config\(calibration, batch_size=(\d+), calibset_size=(\d+)\)", line
        ):
            facts["calibset_size"] = int(found[2])
        elif found := re.fullmatch(
            r"model_optimization_flavor\(optimization_level=([0-4]), compression_level=0\)", line
        ):
            facts["level"] = int(found[1])
        elif found := re.fullmatch(r"quantization_param\((\w+), precision_mode=a16_w16\)", line):
            if f"{har['network']}/{found[1]}" not in har["layers"]:
                raise Refused(f"no layer {found[1]}")
            facts["wide"].append(found[1])
        elif line != "post_quantization_optimization(finetune, policy=enabled)":
            raise Refused(f"the model script says {line!r}")
    return facts


def hef_of(har: dict[str, Any], version: str) -> bytes:
    """A HEF that runs what the HAR holds, with the script's normalisation and activations."""
    if har["state"] != "quantized_model":
        raise Refused(f"a model in the state {har['state']} cannot be compiled")
    graph = _executable(har)
    about = {
        "size_hw": har["size_hw"],
        "outputs": [
            {
                "name": output["layer"],
                "node": output["node"],
                "shape": [side.dim_value for side in made.type.tensor_type.shape.dim[1:]],
            }
            for output, made in zip(har["outputs"], graph.graph.output, strict=True)
        ],
    }
    mapping = json.dumps(about).encode() + b"\n" + graph.SerializeToString()
    header = _number(1, ARCHS[har["arch"]]) + _number(2, 1_700_000_000)
    header += _bytes(3, version.encode())
    group = _bytes(1, _bytes(1, har["network"].encode())) + _bytes(10, har["network"].encode())
    body = _bytes(1, header) + _bytes(2, group) + _bytes(3, mapping)
    frame = struct.pack(">IIII", 0x01484546, 0, len(body), 0)
    return frame + hashlib.md5(body).digest() + body


def read_mapping(hef: bytes) -> tuple[dict[str, Any], bytes, int]:
    """What a HEF of `hef_of` says of itself, its ONNX graph, and its chip."""
    if hef[:4] != b"\x01HEF" or hashlib.md5(hef[32:]).digest() != hef[16:32]:
        raise Refused("HEF magic or md5 does not match")
    fields = dict(_fields(hef[32:]))
    arch = dict(_fields(fields[1])).get(1, 0)  # type: ignore[arg-type]
    about, graph = fields[3].split(b"\n", 1)  # type: ignore[union-attr]
    return json.loads(about), graph, arch  # type: ignore[return-value]


def _executable(har: dict[str, Any]) -> onnx.ModelProto:
    proto = onnx.load_from_string(har["onnx"])
    graph, (height, width) = proto.graph, har["size_hw"]
    start = graph.input[0].name
    mean, std = har["normalization"] or [[0] * 3, [1] * 3]
    for name, values in (("hef_mean", mean), ("hef_std", std)):
        array = np.array(values, np.float32).reshape(3, 1, 1)
        graph.initializer.append(numpy_helper.from_array(array, name))
    nodes = [
        helper.make_node("Transpose", ["hef_in"], ["hef_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["hef_planes"], ["hef_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["hef_float", "hef_mean"], ["hef_centred"]),
        helper.make_node("Div", ["hef_centred", "hef_std"], [start]),
        *graph.node,
    ]
    shapes = {
        item.name: [side.dim_value for side in item.type.tensor_type.shape.dim]
        for item in onnx.shape_inference.infer_shapes(proto).graph.value_info
    }
    for item in graph.output:
        shapes[item.name] = [side.dim_value for side in item.type.tensor_type.shape.dim]
    outputs = []
    for number, output in enumerate(har["outputs"]):
        last = output["tensor"]
        if output["layer"] in har["sigmoids"]:
            nodes.append(helper.make_node("Sigmoid", [last], [f"hef_sigmoid{number}"]))
            last = f"hef_sigmoid{number}"
        name = f"hef_out{number}"
        nodes.append(helper.make_node("Transpose", [last], [name], perm=[0, 2, 3, 1]))
        _, channels, rows, columns = shapes[output["tensor"]]
        shape = [1, rows, columns, channels]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    shape = [1, height, width, 3]
    made = helper.make_graph(
        nodes,
        "hef",
        [helper.make_tensor_value_info("hef_in", TensorProto.UINT8, shape)],
        outputs,
        graph.initializer,
    )
    return helper.make_model(made, opset_imports=proto.opset_import, ir_version=proto.ir_version)


def _varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    found: list[tuple[int, int | bytes]] = []
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            value |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128:
                return value

    while place < len(message):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            size = number()
            found.append((key >> 3, message[place : place + size]))
            place += size
    return found
