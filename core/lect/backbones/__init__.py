"""Frozen multilingual models: reading, identity, and where their parts lie."""

from lect.backbones.anatomy import Anatomy
from lect.backbones.backbone import Backbone

__all__ = ["Anatomy", "Backbone"]
