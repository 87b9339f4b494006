"""A small model in the place of the backbone that comes with `lect`, for tests of what commands do."""

from __future__ import annotations

from pathlib import Path

from lect import BackboneSpec


def small_backbones(cache: Path) -> None:
    """A cache with a tiny model in the place of `e5-small`, and with what else is in everyone's."""
    from lect.cache import mark_whole, read_marker
    from lect.host import Host
    from lect.testing.backbones import save_tiny_backbone

    whole = Host.load(report=print).spec(BackboneSpec, "e5-small").prepare(lambda what, share: None)
    backbones = cache / "backbones"
    backbones.mkdir(parents=True)
    for path in whole.parent.iterdir():
        if path.name != whole.name and not path.name.endswith(".lock"):
            (backbones / path.name).symlink_to(path)
    # Of as many layers, since recipes name some.
    save_tiny_backbone(backbones / whole.name, "xlm-roberta", layers=12)
    mark_whole(backbones / whole.name, {name: value for name, value in read_marker(whole).items() if name != "files"})
