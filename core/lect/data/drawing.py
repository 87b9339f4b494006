"""What plots are drawn with: colours, lines and marks that everybody tells apart, and fonts that have the letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from lect.data.scripts import count_scripts

COLOURS = ("#3c67c1", "#7a9e2e", "#11a579", "#99533c", "#b57fad", "#3091f1", "#7f6610", "#6e6e6e")
"""In which colour-blind people, too, tell any two apart, and which are seen on white and on nearly black."""
DASHES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
_OWN = "DejaVu Sans"
"""The family that comes with matplotlib."""
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---")


def fonts_for(texts: Iterable[str]) -> tuple[list[str], set[str]]:
    """Families of fonts that have the letters of some texts together, and the letters that no font here has.

    The fonts that matplotlib brings are asked first, then those of this machine as they are now, since matplotlib
    remembers which there were when it was first used.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    missing = {letter for text in texts for letter in text if unicodedata.category(letter)[0] not in "CZ"}
    families = [_OWN]
    for file in _files():
        try:
            font = FT2Font(file)
        except (OSError, RuntimeError):
            continue
        had = {letter for letter in missing if font.get_char_index(ord(letter))}
        if had:
            font_manager.fontManager.addfont(file)
            families.append(font.family_name)
            missing -= had
        if not missing:
            break
    return list(dict.fromkeys(families)), missing


def in_latin(text: str, missing: Collection[str]) -> str:
    """The text with the name of its script in the place of letters that cannot be drawn: ``[Ethiopic].txt``."""
    pieces = []
    for is_missing, letters in groupby(text, lambda letter: letter in missing):
        piece = "".join(letters)
        pieces.append(f"[{script_of(piece)}]" if is_missing else piece)
    return "".join(pieces)


def script_of(text: str) -> str:
    """The English name of the script that most of a text's letters are of."""
    import langcodes

    counts: Counter[str] = Counter()
    count_scripts(text, counts)
    return str(langcodes.Language.make(script=counts.most_common(1)[0][0]).script_name()) if counts else "signs"


def _files() -> Iterator[str]:
    from matplotlib import font_manager

    yield font_manager.findfont(_OWN)
    # Only where they are needed: a machine may have thousands.
    yield from sorted(font_manager.findSystemFonts(), key=_is_special)


def _is_special(file: str) -> tuple[bool, str]:
    """Plain fonts go before those that are bold or slanted."""
    name = file.rpartition("/")[2].lower()
    return any(word in name for word in ("bold", "black", "italic", "oblique", "thin", "light")), file
