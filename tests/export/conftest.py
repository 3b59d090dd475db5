"""The fitted network and its files; see `model_files`."""

from model_files import data, fitted, float_file, space

__all__ = ["data", "fitted", "float_file", "space"]
