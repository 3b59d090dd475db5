"""Would a device's compiler take a graph? Every operator between `image` and `logits`, or depth, by its rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from ...errors import ModelFileError

__all__ = [
    "Finding",
    "Judge",
    "Operand",
    "Operator",
    "OperatorCheck",
    "Refusal",
    "Rule",
    "check_operators",
    "operators_of",
]


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One tensor that an operator reads or gives."""

    shape: tuple[int, ...] | None = None
    """Its shape; None where it is not fixed."""
    value: np.ndarray | None = None
    """Its content where that is a constant of the graph."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One node of a graph, with all that a rule may ask of it."""

    kind: str
    """ONNX's name of the operator, such as Conv."""
    name: str
    """Name of the node."""
    attributes: Mapping[str, Any]
    """Its attributes that are given."""
    inputs: tuple[Operand | None, ...]
    """What it reads; None for an optional input left out."""
    outputs: tuple[Operand | None, ...]
    """What it gives; None for what nobody reads."""
    before: tuple[str, ...]
    """The kinds of operators that make its inputs."""
    after: tuple[str, ...]
    """The kinds of operators that read its outputs."""

    def constant(self, place: int) -> np.ndarray | None:
        """The content of an input where that is a constant."""
        operand = self.inputs[place] if place < len(self.inputs) else None
        return None if operand is None else operand.value


class Refusal(NamedTuple):
    """Why an operator is not taken."""

    reason: str
    """What is wrong with it."""
    advice: str
    """What to do about it."""


Rule = Callable[[Operator], Refusal | None]
"""Says why an operator is refused; None where it is taken."""


class Judge(Protocol):
    """Something that knows what a compiler takes; see `Target`."""

    title: ClassVar[str]
    """Device and compiler in words."""
    causes: ClassVar[tuple[str, ...]]
    """Kinds that bring other refused ones with them: the first to tell of."""

    def judge(self, operator: Operator) -> Refusal | None:
        """Why an operator would be refused; None where it would be taken."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All operators of one kind that share a verdict."""

    kind: str
    """ONNX's name of the operator."""
    count: int
    """How many there are."""
    accepted: bool
    """Whether they would be taken."""
    reason: str = ""
    """Why not."""
    advice: str = ""
    """What to do about it."""
    example: str = ""
    """The first of them by name."""


@dataclass(frozen=True, kw_only=True)
class OperatorCheck:
    """What a target's compiler would make of a graph."""

    target: str
    """Device and compiler in words."""
    findings: tuple[Finding, ...]
    """Every kind of operator, the refused ones first."""

    @property
    def accepted(self) -> bool:
        """Whether the whole network would be taken."""
        return all(finding.accepted for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON values."""
        findings = [asdict(finding) for finding in self.findings]
        return {"target": self.target, "accepted": self.accepted, "operators": findings}

    def require_accepted(self) -> None:
        """Stop where an operator would be refused.

        Raises:
            ModelFileError: One would be.
        """
        refused = [finding for finding in self.findings if not finding.accepted]
        if refused:
            first, kinds = refused[0], dict.fromkeys(finding.kind for finding in refused)
            more = f"; also {', '.join([*kinds][1:])}" if len(kinds) > 1 else ""
            raise ModelFileError(
                f"{self.target} would refuse {first.count} {first.kind}: {first.reason}{more}",
                fix=first.advice,
            )


def check_operators(proto: onnx.ModelProto, target: Judge) -> OperatorCheck:
    """Judge every operator of a network by the rules of a target.

    Args:
        proto: A graph of fixed shapes.
        target: The device.
    """
    alike: dict[tuple[str, Refusal | None], list[Operator]] = defaultdict(list)
    for operator in operators_of(proto):
        alike[operator.kind, target.judge(operator)].append(operator)
    findings = [
        Finding(
            kind=kind,
            count=len(operators),
            accepted=refusal is None,
            reason=refusal.reason if refusal else "",
            advice=refusal.advice if refusal else "",
            example=operators[0].name,
        )
        for (kind, refusal), operators in alike.items()
    ]

    def place(finding: Finding) -> tuple[bool, bool, int, str]:
        cause = finding.kind in target.causes
        return finding.accepted, not cause, -finding.count, finding.kind

    order = sorted(findings, key=place)
    return OperatorCheck(target=target.title, findings=tuple(order))


def operators_of(proto: onnx.ModelProto) -> list[Operator]:
    """The operators between the tensors `image` and `logits`, in their order, and those that lead to an
    output which is not made of `logits`, such as depth.

    In a graph that lacks a tensor of such a name, its inputs or its outputs stand in for it.
    """
    graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _content(node)
    made = {name for node in graph.node for name in node.output}
    starts = {"image"} if "image" in made else {item.name for item in graph.input}
    ends = {item.name for item in graph.output}
    if "logits" in made:
        ends = {"logits"} | (ends - _made_of("logits", graph.node))
    nodes = _between(graph.node, starts, ends)
    shapes = _shapes(graph)
    makers = {name: node.op_type for node in nodes for name in node.output}
    readers: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        for name in node.input:
            readers[name].append(node.op_type)

    def operand(name: str) -> Operand:
        value = constants.get(name)
        return Operand(shape=shapes.get(name) if value is None else value.shape, value=value)

    return [
        Operator(
            kind=node.op_type,
            name=node.name,
            attributes={item.name: helper.get_attribute_value(item) for item in node.attribute},
            inputs=tuple(operand(name) if name else None for name in node.input),
            outputs=tuple(
                operand(name) if readers[name] or name in ends else None for name in node.output
            ),
            before=tuple(makers[name] for name in node.input if name in makers),
            after=tuple(kind for name in node.output for kind in readers[name]),
        )
        for node in nodes
    ]


def _content(node: NodeProto) -> np.ndarray:
    """What a Constant node holds, in whichever attribute."""
    value = helper.get_attribute_value(node.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.array(value)


def _between(nodes: Sequence[NodeProto], starts: set[str], ends: set[str]) -> list[NodeProto]:
    """The nodes on a way from a start to an end; both lists of nodes are in the order of running."""
    reached = set(starts)
    forward = []
    for node in nodes:
        if any(name in reached for name in node.input) and not starts & set(node.output):
            reached.update(node.output)
            forward.append(node)
    wanted, kept = set(ends), []
    for node in reversed(forward):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _made_of(tensor: str, nodes: Sequence[NodeProto]) -> set[str]:
    """The tensors that another one goes into, it included; the nodes are in the order of running."""
    found = {tensor}
    for node in nodes:
        if found & set(node.input):
            found.update(node.output)
    return found


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for item in (*graph.value_info, *graph.input, *graph.output):
        dims = item.type.tensor_type.shape.dim
        if item.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            shapes[item.name] = tuple(d.dim_value for d in dims)
    return shapes
