"""The objects of an instance map are those that were drawn into it."""

from __future__ import annotations

import numpy as np
import pytest
from builders_outward import drawn, make_prepared

from curbside.errors import DataError
from curbside.prepared import Sample, check_values, find_objects

TEXT = """
sAAs..
sA.sQp
....pp
"""


@pytest.fixture
def sample(tmp_path) -> Sample:
    data = make_prepared(tmp_path, {"val/a": {"instances": drawn(TEXT)}})
    return data.samples("val")[0]


def test_objects_and_groups_with_their_pixels(sample):
    group, person, car = find_objects(sample, sample.read_instances())
    assert [item.value for item in (group, person, car)] == [2, 2001, 3000]
    assert [item.group for item in (group, person, car)] == [True, False, False]
    assert [item.label.id for item in (group, person, car)] == [2, 2, 3]
    assert [item.area for item in (group, person, car)] == [3, 1, 3]
    assert group.box_xywh == (4, 1, 2, 2) and car.box_xywh == (1, 0, 2, 2)
    assert group.mask_in(sample.read_instances()).tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("value", [7, 1000, 9001])
def test_a_value_that_means_nothing_is_named(sample, value):
    with pytest.raises(DataError, match=f"holds the value {value}, which is neither"):
        check_values(sample, np.array([0, 255, 2000, value]), sample.space)
