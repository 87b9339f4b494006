"""Small models in the place of the backbones that packages bring, for tests of what commands do."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from lect import BackboneSpec


def small_backbones(cache: Path) -> None:
    """A cache with tiny models in the place of `e5-small` and `smollm2-135m`, and with what else is in everyone's."""
    from lect.cache import mark_whole, read_marker
    from lect.errors import BackboneError
    from lect.host import Host
    from lect.testing.backbones import save_tiny_backbone
    from lect_smollm.convert import PACKAGED

    whole = Host.load(report=print).spec(BackboneSpec, "e5-small").prepare(lambda what, share: None)
    backbones = cache / "backbones"
    backbones.mkdir(parents=True)
    for path in whole.parent.iterdir():
        if path.name not in (whole.name, PACKAGED.name) and not path.name.endswith(".lock"):
            (backbones / path.name).symlink_to(path)
    # Of as many layers, since recipes name some.
    save_tiny_backbone(backbones / whole.name, "xlm-roberta", layers=12)
    mark_whole(backbones / whole.name, {name: value for name, value in read_marker(whole).items() if name != "files"})
    # Its positions are computed, so that it reads texts as long as the whole one does.
    decoder = save_tiny_backbone(backbones / PACKAGED.name, "llama", generates=True)
    for file, longest in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        settings = json.loads((decoder / file).read_text("utf-8"))
        (decoder / file).write_text(json.dumps({**settings, longest: 8192}), "utf-8")
    made = {"layout": PACKAGED.layout, PACKAGED.package: PACKAGED.version}
    with suppress(BackboneError):
        made["source_bytes"] = PACKAGED.find_file().stat().st_size
    mark_whole(decoder, made)
