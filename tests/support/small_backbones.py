"""A small model in the place of the backbone that comes with `lect`, for tests of what commands do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lect import BackboneSpec


def small_backbones(cache: Path) -> None:
    """A cache with a tiny model in the place of `e5-small`, and with what else is in everyone's."""
    from lect.testing.backbones import save_tiny_backbone

    # Of as many layers, since recipes name some.
    _in_its_place(cache, lambda _, folder: save_tiny_backbone(folder, "xlm-roberta", layers=12))


def shallow_backbones(cache: Path) -> None:
    """A cache with `e5-small` cut off above its second layer in its place, and with what else is in everyone's."""
    _in_its_place(cache, _two_layers)


def _two_layers(whole: Path, folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(whole, num_hidden_layers=2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)


def _in_its_place(cache: Path, make: Callable[[Path, Path], object]) -> None:
    """Make a folder that stands for the converted `e5-small`, given that one and the folder's path."""
    from lect.cache import mark_whole, read_marker
    from lect.host import Host

    whole = Host.load(report=print).spec(BackboneSpec, "e5-small").prepare(lambda what, share: None)
    backbones = cache / "backbones"
    backbones.mkdir(parents=True)
    for path in whole.parent.iterdir():
        if path.name != whole.name and not path.name.endswith(".lock"):
            (backbones / path.name).symlink_to(path)
    make(whole, backbones / whole.name)
    mark_whole(backbones / whole.name, {name: value for name, value in read_marker(whole).items() if name != "files"})
