"""Files that a plugin's reader knows by their ending: a few of its rows say what they are good for."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lect.authoring.detect import SIDES, Detected, Kind, Purpose, ending_of
from lect.specs import ReaderSpec

if TYPE_CHECKING:
    from lect.host import Host

_ROWS = 200
_LOOKED_INTO = ("builtin", "heads")
"""Plugins whose readers' files are known by what is in them."""


def detect_by_reader(named: str, purpose: Purpose, host: Host) -> Detected | None:
    """How a file is read that one plugin's reader takes by its ending; None for all others.

    Raises:
        DataError: there is no such file, or the reader finds it to be wrong.
    """
    ending = ending_of(Path(named).name)
    fitting = [
        name
        for name, provided in host.specs(ReaderSpec).items()
        if provided.plugin.name not in _LOOKED_INTO and ending in provided.spec.endings
    ]
    if len(fitting) != 1 or not Path(named).expanduser().is_file():
        return None
    config = {"path": named}
    configured = host.configured(ReaderSpec, fitting[0], config, named)
    with host.attributed(configured) as spec:
        rows = list(islice(spec.read(configured.config, Path()), _ROWS))
    texts = [row.text for row in rows]
    others = [row.translation for row in rows if row.translation]
    if purpose == "text" or len(others) < len(rows):
        return Detected(spec.name, config, "text", (spec.summary,), {"": texts})
    kind: Kind = "dictionary" if purpose == "dictionary" else "pairs"
    return Detected(spec.name, config, kind, (spec.summary,), dict(zip(SIDES, (texts, others), strict=True)))
