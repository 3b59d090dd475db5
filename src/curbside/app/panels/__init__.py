"""The pages of the panel beside the picture, one file each."""

from .faults import FaultsPanel
from .models import ModelsPanel
from .rules import RulesPanel
from .source import SourcePanel
from .times import TimesPanel
from .view import ViewPanel

__all__ = ["FaultsPanel", "ModelsPanel", "RulesPanel", "SourcePanel", "TimesPanel", "ViewPanel"]
