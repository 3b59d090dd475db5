"""The classes that a network of objects learns, and the label space of its channels."""

from __future__ import annotations

import pytest

from curbside.errors import LabelError
from curbside.labels import (
    LabelClass,
    LabelSpace,
    default_object_classes,
    load_space,
    object_classes,
    object_space,
)

STREET = LabelSpace(
    name="street",
    classes=(
        LabelClass(id=0, name="road", color=(128, 64, 128)),
        LabelClass(id=3, name="car", color=(0, 0, 142), has_instances=True),
        LabelClass(id=5, name="bus", color=(0, 60, 100), has_instances=True),
        LabelClass(id=7, name="dog", color=(9, 9, 9), has_instances=True),
    ),
)


def test_every_class_with_instances_keeps_its_id() -> None:
    found = object_classes(("space",), STREET)
    assert [(item.name, item.members) for item in found] == [
        ("car", ("car",)),
        ("bus", ("bus",)),
        ("dog", ("dog",)),
    ]
    space = object_space(("space",), STREET)
    assert space.name == "street things" and space.classes == STREET.classes[1:]


def test_groups_count_from_zero_in_the_order_given() -> None:
    space = object_space(("animal=dog", "vehicle=bus,car"), STREET)
    assert [(item.id, item.name, item.color) for item in space.classes] == [
        (0, "animal", (9, 9, 9)),
        (1, "vehicle", (0, 60, 100)),
    ]
    assert all(item.has_instances for item in space.classes)


def test_the_five_classes_of_the_idd_project_are_a_space_of_their_own() -> None:
    idd = load_space("idd-level3")
    assert default_object_classes(idd) == ("idd5",) and default_object_classes(STREET) == ("space",)
    assert object_space(("idd5",), idd) == load_space("idd5")
    assert [item.name for item in object_classes(("idd5",), idd)] == list(load_space("idd5").names)


def test_idd5_of_other_data_is_refused() -> None:
    with pytest.raises(LabelError, match=r"street is no encoding of it"):
        object_space(("idd5",), STREET)
