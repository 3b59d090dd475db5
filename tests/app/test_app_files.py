"""Model files: read without loading them, listed, chosen."""

from dataclasses import replace

import onnx
import pytest
from tiny_depth import make_depth_onnx
from tiny_joint import make_joint_onnx
from tiny_models import make_manifest, make_onnx
from tiny_scene import make_objects

from curbside.app.catalogue import facts_of, find_models, read_entries, read_entry, read_manifest
from curbside.app.choice import Choice
from curbside.app.onnx_metadata import read_onnx_metadata
from curbside.errors import ModelFileError
from curbside.manifest import write_sidecar


def test_metadata_are_those_that_onnx_reads(tmp_path):
    path = make_onnx(tmp_path / "m.onnx", metadata={"curbside": "ä" * 300, "other": ""})
    truth = {item.key: item.value for item in onnx.load(path).metadata_props}
    assert read_onnx_metadata(path) == truth


def test_a_cut_or_foreign_file_is_refused_in_one_line(tmp_path):
    whole = make_onnx(tmp_path / "m.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    refused = 0
    for size in range(0, len(whole), 97):  # every kind of end: in a tag, a length, a text
        bad.write_bytes(whole[:size])
        try:
            read_onnx_metadata(bad)
        except ModelFileError as error:
            refused += 1
            assert str(bad) in str(error) and "\n" not in str(error)
    assert refused > len(whole) / 97 * 0.8  # a cut between two fields is a whole file
    for data in (b"", b"PK\3\4 no model at all", b"\xff" * 64, b"<html></html>"):
        bad.write_bytes(data)
        with pytest.raises(ModelFileError):
            read_onnx_metadata(bad)


def test_a_folder_lists_what_can_be_used_first_and_says_what_cannot(tmp_path):
    good = make_onnx(tmp_path / "z.onnx")
    bare = make_onnx(tmp_path / "a.onnx", metadata={})
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x08\x3a\xff\x7f")
    other = tmp_path / "m.xml"
    other.write_text("<net/>")
    write_sidecar(other, make_manifest())
    (tmp_path / "notes.txt").write_text("no model")
    found = find_models(tmp_path)
    assert [path.name for path in found] == ["a.onnx", "cut.onnx", "m.xml", "z.onnx"]
    entries = read_entries([*found, good])
    assert [entry.name for entry in entries] == ["m.xml", "z.onnx", "a.onnx", "cut.onnx"]
    assert "curbside describe" in entries[2].problem and str(bare) in entries[2].problem
    assert "cut off" in entries[3].problem
    other.write_text("<other/>")
    assert "is not the file" in read_entry(other).problem
    with pytest.raises(ModelFileError, match="no folder"):
        find_models(tmp_path / "none")
    with pytest.raises(ModelFileError, match=r"ending in .*\.onnx"):
        read_manifest(tmp_path / "notes.txt")


def test_facts_say_what_a_person_wants_to_know(tmp_path):
    manifest = replace(
        make_manifest(size_hw=(36, 48)),
        scores={"validation": {"miou": 0.66563, "split": "val"}},
        source={"recipe": "camvid", "commit": "abc", "weights_license": "AGPL-3.0"},
    )
    entry = read_entry(make_onnx(tmp_path / "m.onnx", size_hw=(36, 48), manifest=manifest))
    facts = dict(facts_of(entry))
    assert facts["input"] == "48 x 36, stretch"
    assert facts["classes"] == "4 of tiny: road, sky, tree, car"
    assert facts["scores, validation"] == "miou 0.666, split val"
    assert facts["weights license"] == "AGPL-3.0"
    assert facts["made by"] == "camvid at abc"
    assert (facts["task"], facts["asks for"]) == ("semantic", "fp32")


@pytest.fixture
def entries(tmp_path):
    paths = [make_onnx(tmp_path / f"{name}.onnx") for name in "ab"]
    paths.append(make_objects(tmp_path / "y.onnx"))
    return read_entries(paths)


def test_at_most_one_network_of_a_task_is_in_use(entries):
    first, second, objects = entries
    choice = Choice().toggled(first).toggled(objects)
    assert choice.models == (first.path, objects.path)
    choice = choice.toggled(second)
    assert choice.models == (second.path, objects.path)
    assert not choice.uses(first)
    assert choice.toggled(second).models == (objects.path,)


def test_a_task_that_was_off_comes_back_with_its_network(entries):
    _, second, objects = entries
    choice = Choice().with_model(second).with_task("semantic", False)
    assert choice.models == ()
    assert choice.with_task("semantic", True, entries).models == (second.path,)
    assert Choice().with_task("instances", True, entries).models == (objects.path,)
    assert Choice().with_task("depth", True, entries).models == ()


def test_the_network_beside_takes_the_place_of_one(entries):
    first, second, objects = entries
    choice = Choice().with_model(first).with_model(objects)
    assert choice.models_beside is None
    assert choice.with_beside(second).models_beside == (second.path, objects.path)
    assert Choice().with_model(first).with_beside(objects).models_beside == (
        first.path,
        objects.path,
    )


def test_a_network_of_two_tasks_takes_the_place_of_both_and_they_its(tmp_path, entries):
    classes, _, objects = entries
    joint, depth = read_entries(
        [make_joint_onnx(tmp_path / "j.onnx"), make_depth_onnx(tmp_path / "z.onnx")]
    )
    apart = Choice().with_model(classes).with_model(depth).with_model(objects)
    assert apart.models == (classes.path, objects.path, depth.path)
    choice = apart.toggled(joint)
    assert choice.models == (joint.path, objects.path)
    assert choice.uses(joint) and not choice.uses(classes) and not choice.uses(depth)
    assert choice.on == {"semantic", "instances", "depth"}
    assert choice.toggled(classes).models == (classes.path, objects.path)  # nothing for depth
    assert choice.toggled(depth).models == (objects.path, depth.path)
    for task in ("semantic", "depth"):  # it looks for both or for neither
        off = choice.with_task(task, False)
        assert off.models == (objects.path,) and not off.uses(joint)
        assert off.with_task(task, True).models == choice.models
    assert choice.toggled(joint).models == (objects.path,)


def test_a_task_comes_with_a_network_that_puts_no_other_off(tmp_path, entries):
    classes, _, objects = entries
    joint, depth = read_entries(
        [make_joint_onnx(tmp_path / "j.onnx"), make_depth_onnx(tmp_path / "z.onnx")]
    )
    choice = Choice().with_model(classes)
    assert choice.with_task("depth", True, [joint, depth]).models == (classes.path, depth.path)
    assert choice.with_task("depth", True, [joint, objects]).models == (joint.path,)
    assert Choice().with_task("semantic", True, [joint, classes]).models == (joint.path,)


def test_beside_and_following_know_networks_of_two_tasks(tmp_path, entries):
    classes, _, objects = entries
    (joint,) = read_entries([make_joint_onnx(tmp_path / "j.onnx")])
    choice = Choice().with_model(joint).with_model(objects)
    assert choice.with_beside(classes).models_beside == (classes.path, objects.path)
    assert Choice().with_model(classes).with_beside(joint).models_beside == (joint.path,)
    assert choice.with_beside(joint).models_beside == choice.models
    listed = [*entries, joint]
    assert choice.following([objects.path, joint.path], listed) is choice
    assert choice.following([classes.path], listed).models == (classes.path,)
    assert Choice().following([joint.path], listed).on == {"semantic", "depth"}
    assert dict(facts_of(joint))["task"] == "semantic+depth"
    assert dict(facts_of(joint))["farthest"] == "80 m"


def test_the_choice_follows_what_is_really_in_use(entries):
    first, second, objects = entries
    choice = Choice().with_model(second).with_model(objects)
    assert choice.following([objects.path, second.path], entries) is choice
    assert choice.following([first.path], entries).models == (first.path,)
    assert choice.following([], entries).models == ()
