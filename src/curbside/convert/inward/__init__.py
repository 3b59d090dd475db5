"""Datasets as they are downloaded, one file per source, found by listing this folder."""

from .acdc import Acdc
from .bdd100k import Bdd100k
from .camvid import Camvid
from .cityscapes import Cityscapes
from .cvat import Cvat
from .idd import Idd
from .idd_lite import IddLite
from .sidewalk import Sidewalk

__all__ = ["Acdc", "Bdd100k", "Camvid", "Cityscapes", "Cvat", "Idd", "IddLite", "Sidewalk"]
