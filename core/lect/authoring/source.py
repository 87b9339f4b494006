"""How a file that a user names is read: by a plugin's reader that its ending names, or by what is in it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lect.authoring.detect import SIDES, Detected, Kind, Purpose, detect_by_content
from lect.authoring.folders import ending_in, ending_of
from lect.errors import DataError
from lect.specs import ReaderSpec

if TYPE_CHECKING:
    from lect.host import Host

_ROWS = 200
_LOOKED_INTO = ("builtin", "heads")
"""Plugins whose readers' files are known by what is in them."""


def detect(named: str, purpose: Purpose, host: Host) -> Detected:
    """How a file or a folder of files is read.

    Args:
        named: as the user wrote it.
        purpose: what it was given for, which decides where its content leaves two readings.

    Raises:
        DataError: there is no such file, its reader finds it to be wrong, or it is laid out as nothing that is known.
    """
    path = Path(named).expanduser()
    ending = ending_in(path) if path.is_dir() else ending_of(path.name)
    refusal: DataError | None = None
    for reader in _readers(ending, host) if path.exists() else ():
        try:
            return _read_by(reader, named, purpose, host)
        except DataError as error:
            if ending != _OF_MANY:
                raise
            refusal = refusal or error
    try:
        return detect_by_content(named, purpose)
    except DataError as error:
        raise refusal or error from None


_OF_MANY = ".xml"
"""An ending that files of many kinds have."""


def _readers(ending: str, host: Host) -> list[str]:
    """Readers to try: the only one to take the ending, and where that says little, its plugin's others."""
    provided = {name: each for name, each in host.specs(ReaderSpec).items() if each.plugin.name not in _LOOKED_INTO}
    own = [name for name, each in provided.items() if ending in each.spec.endings]
    if len(own) != 1 or ending != _OF_MANY:
        return own if len(own) == 1 else []
    plugin = provided[own[0]].plugin.name
    return [*own, *(name for name, each in provided.items() if each.plugin.name == plugin and name not in own)]


def _read_by(reader: str, named: str, purpose: Purpose, host: Host) -> Detected:
    """What a few rows say a file is good for."""
    config = {"path": named}
    configured = host.configured(ReaderSpec, reader, config, named)
    with host.attributed(configured) as spec:
        rows = list(islice(spec.read(configured.config, Path()), _ROWS))
    texts = [row.text for row in rows]
    others = [row.translation for row in rows if row.translation]
    if purpose == "text" or len(others) < len(rows):
        return Detected(spec.name, config, "text", (spec.summary,), {"": texts})
    kind: Kind = "dictionary" if purpose == "dictionary" else "pairs"
    return Detected(spec.name, config, kind, (spec.summary,), dict(zip(SIDES, (texts, others), strict=True)))
