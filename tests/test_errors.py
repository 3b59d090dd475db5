"""The exception tree: one line each, and whole after a trip between processes."""

from __future__ import annotations

import pickle

import pytest

from curbside import errors
from curbside.errors import CurbsideError, MissingDependencyError

KINDS = [getattr(errors, name) for name in errors.__all__ if name != "MissingDependencyError"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_line_and_survives_pickling(kind):
    error = kind("the file\n  a.png is gone", fix="restore\tit")
    assert str(error) == "the file a.png is gone; restore it"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and (copy.what, copy.fix, str(copy)) == (
        error.what,
        error.fix,
        str(error),
    )


def test_a_missing_package_names_the_command():
    error = MissingDependencyError("torch", extra="train")
    assert str(error).endswith("; run: pip install 'curbside[train]'") and "torch" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.package, copy.extra, str(copy)) == ("torch", "train", str(error))


def test_the_drawn_tree_names_every_kind():
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), CurbsideError)
        assert name in (errors.__doc__ or "")
