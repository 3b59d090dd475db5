"""Files: whole or absent, never outside their root."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from curbside import files
from curbside.errors import DataError, StorageError


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "deep" / "er" / "a.json"
    with files.atomic_path(target, durable=True) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".json"
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_nothing_and_the_old_file(tmp_path, kind):
    (tmp_path / "a").write_text("old")
    with pytest.raises(kind), files.atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise kind
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_full_disk_is_a_storage_error_that_says_what_to_do(tmp_path):
    with pytest.raises(StorageError, match="free some space"), files.atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_a_storage_error(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        files.write_text(tmp_path / "a" / "b", "x")


def test_files_get_the_usual_rights(tmp_path):
    umask = os.umask(0o022)
    try:
        files.write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_json_round_trip_and_its_errors(tmp_path):
    files.write_json(tmp_path / "a.json", {"é": [1, None]})
    assert files.read_json(tmp_path / "a.json", fix="f") == {"é": [1, None]}
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")
    for content in (b"{", b"", b"\xff", b"[" * 100_000, b"9" * 5000):
        (tmp_path / "b.json").write_bytes(content)
        with pytest.raises(DataError, match=r"not valid JSON.*; do this"):
            files.read_json(tmp_path / "b.json", fix="do this")
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(DataError, match="; do this"):
            files.read_json(path, fix="do this")


def test_a_link_shares_the_bytes_and_leaves_the_source_as_it_was(tmp_path):
    source = tmp_path / "source.jpg"
    source.write_bytes(b"pixels")
    source.chmod(0o440)
    for _ in range(2):  # again over itself
        files.link_or_copy(source, tmp_path / "out" / "a.jpg")
    assert (tmp_path / "out/a.jpg").samefile(source)
    assert source.stat().st_mode & 0o777 == 0o440 and source.read_bytes() == b"pixels"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.jpg"]


def test_where_links_cannot_be_it_is_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", _refuse)
    source = tmp_path / "source.jpg"
    source.write_bytes(b"pixels")
    files.link_or_copy(source, tmp_path / "out" / "a.jpg")
    assert (tmp_path / "out/a.jpg").read_bytes() == b"pixels"
    assert not (tmp_path / "out/a.jpg").samefile(source)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.jpg"]


def test_a_symlinked_source_gives_its_content_not_another_symlink(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/real.jpg").write_bytes(b"pixels")
    (tmp_path / "data/link.jpg").symlink_to("real.jpg")  # relative: broken from anywhere else
    files.link_or_copy(tmp_path / "data/link.jpg", tmp_path / "out" / "a.jpg")
    assert not (tmp_path / "out/a.jpg").is_symlink()
    assert (tmp_path / "out/a.jpg").read_bytes() == b"pixels"


@pytest.mark.parametrize("link", [True, False])
def test_names_as_long_as_they_can_be_are_linked_and_copied(tmp_path, monkeypatch, link):
    if not link:
        monkeypatch.setattr(os, "link", _refuse)
    source = tmp_path / f"{'a' * 251}.jpg"
    source.write_bytes(b"pixels")
    files.link_or_copy(source, tmp_path / "out" / source.name)
    assert (tmp_path / "out" / source.name).read_bytes() == b"pixels"
    assert len(list((tmp_path / "out").iterdir())) == 1


def _refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_only_files_are_files(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    files.require_file(tmp_path / "a")
    files.require_file(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "gone", FileNotFoundError),
        (tmp_path / "pipe", OSError),
        (Path("/dev/zero"), OSError),
        (tmp_path / "a\0", OSError),
        (tmp_path / "\ud800", OSError),
    ):
        with pytest.raises(kind) as caught:
            files.require_file(path)
        assert caught.value.strerror and caught.value.filename == str(path)


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert files.sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_paths_stay_inside(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root2").mkdir()
    assert files.inside(root, "a/../b.png") == root.resolve() / "b.png"
    (root / "link").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    for hostile in ("..", "../root2/x", "/etc/passwd", "a/../../x", "link/x", "a\0b"):
        with pytest.raises(DataError, match=r"leads out of|stay inside"):
            files.inside(root, hostile)
    assert isinstance(files.inside(root, "name"), Path)


def test_only_storage_trouble_is_a_storage_error():
    assert files.as_storage_error(FileNotFoundError(errno.ENOENT, "gone")) is None
    assert files.as_storage_error(OSError("no number")) is None
    error = files.as_storage_error(OSError(errno.EROFS, "Read-only file system"), "out")
    assert "cannot write out: Read-only file system" in str(error)
