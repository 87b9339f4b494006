"""Frozen multilingual models: loading, identity, and where their parts lie."""

from lect.backbones.anatomy import Anatomy
from lect.backbones.backbone import Backbone
from lect.backbones.load import load_backbone

__all__ = ["Anatomy", "Backbone", "load_backbone"]
