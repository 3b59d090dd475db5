"""CVAT 1.1 XML of scenes, which several layouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from xml.etree import ElementTree

from .scene import LabelledPolygon, Scene

__all__ = ["cvat_file"]

Shapes = Sequence[tuple[str, LabelledPolygon]]


def cvat_file(
    task: str,
    choices: Iterable[str],
    scenes: Sequence[tuple[str, Scene]],
    shapes: Callable[[Scene], Shapes],
) -> bytes:
    """The annotation file of a task.

    Args:
        task: Its name.
        choices: The labels that its annotators could choose from.
        scenes: The names of its pictures, and what they show.
        shapes: The polygons of a scene with their labels, in painting order.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    head = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    for tag, text in (("id", "1"), ("name", task), ("size", "120"), ("mode", "annotation")):
        ElementTree.SubElement(
            head, tag
        ).text = text  # as in real files, the size is not the images' number
    labels = ElementTree.SubElement(head, "labels")
    for name in choices:
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
    for number, (name, scene) in enumerate(scenes):
        height, width = scene.depth_m.shape
        attributes = {"id": str(number + 12), "name": name, "width": str(width)}
        image = ElementTree.SubElement(root, "image", attributes | {"height": str(height)})
        for z_order, (label, polygon) in enumerate(shapes(scene), start=1):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon.points)
            shape = {"label": label, "occluded": "0", "points": points}
            ElementTree.SubElement(image, "polygon", shape | {"z_order": str(z_order)})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
