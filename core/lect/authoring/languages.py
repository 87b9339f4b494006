"""The language of texts: by the names of columns, files and folders, by their script, and by an identifier.

Identifiers know few of the languages that need a component, and take these for larger ones. So a name that says a
language goes before them, unless the identifier knows that language and says another one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lect.data.scripts import count_scripts, scripts_of
from lect.errors import DataError
from lect.languages.identify import macrolanguage, plain
from lect.languages.tags import SHORTEST_NAME, display_name, is_tag, normalise

if TYPE_CHECKING:
    from lect.languages.identify import Identifier

_LOOKED_AT = 100
_SHORTEST = 12
_MOSTLY = 0.8
_TAGGED = re.compile(r"([a-z]{2,3})[_-]([A-Z][a-z]{3})")
_FOLDERS = (
    "all bin csv data dat dev doc gen home img lib log map mod mono new ner old one opt out own para pos raw ref "
    "res run set src sub sum tab tag test text tgt the tmp top train two txt use user val var web work xml zip"
)
_NO_FOLDERS = frozenset(_FOLDERS.split())
"""Names of folders that are codes or names of languages, and hardly ever mean them."""
_PIECES = (
    "bad eva fin kit lab max mid min mix mon non not off par pre qa rel row sam seg sen sep sib tar tat tra tri "
    "tsv ud ted even human"
)
_NO_PIECES = _NO_FOLDERS | frozenset(_PIECES.split())
"""The same of parts of files' names."""
_BY_SCRIPT = {"Nkoo": "nqo"}
"""Where CLDR's likely language of a script is not the one that uses it most."""
_OF_MANY = frozenset({"Latn", "Cyrl", "Arab", "Deva", "Beng", "Hani", "Ethi", "Tibt", "Hebr"})


@dataclass(frozen=True)
class Guess:
    """A language that texts seem to be in.

    Args:
        tag: canonical; None where nothing says it.
        why: by what, as a clause: ``by the name of the folder``.
        is_sure: whether a person need not be asked.
    """

    tag: str | None
    why: str = ""
    is_sure: bool = False


def guess_language(texts: Sequence[str], path: str, identifier: Identifier, column: str = "") -> Guess:
    """The language of texts.

    Args:
        path: of their file.
        column: of their column, where it has a name.
    """
    scripts: Counter[str] = Counter()
    texts = [text for text in texts if text.strip()][: 4 * _LOOKED_AT]
    for text in texts:
        count_scripts(text[:500], scripts)
    script = scripts.most_common(1)[0][0] if scripts else ""
    votes = _votes(texts, script, identifier)
    top, share = next(iter(votes.items()), ("", 0.0))
    for tag, is_explicit, why in _hints(column, path):
        if is_explicit or not (_contradicted(tag, votes, identifier) or not _may_be_in(tag, script)):
            return Guess(_with_script(tag, script), why, True)
    if top and share >= _MOSTLY:
        return Guess(top, f"as the identifier takes {share:.0%} of the lines for it")
    if script and script not in _OF_MANY and (usual := _usual(script)):
        return Guess(usual, f"by its script, {script}")
    return Guess(None)


def named_language(name: str) -> str | None:
    """The tag of the language that a column's or file's whole name says; None where it says none."""
    found = _of_name(name.strip())
    return None if found is None else found[0]


def _hints(column: str, path: str) -> Iterator[tuple[str, bool, str]]:
    """Languages that names say, the nearest name first: each tag, whether nothing else could be meant, and by what."""
    if found := _of_name(column.strip()):
        yield *found, f'by the column "{column}"'
    *folders, file = Path(path).parts[-3:] or ("",)
    # An ending may be a language's code, as in train.bam.
    pieces = re.split(r"[.\s_-]+", file)
    for name in dict.fromkeys([file, pieces[-1], *pieces]):
        if name.casefold() not in _NO_PIECES and (found := _of_name(name)):
            yield *found, f'by "{name if name != file else pieces[-1]}" in the file\'s name'
    for folder in reversed(folders):
        if found := _of_name(folder):
            yield *found, f'by the folder "{folder}"'


@lru_cache(maxsize=1024)
def _of_name(name: str) -> tuple[str, bool] | None:
    """The tag that a name says, and whether nothing else could be meant."""
    if found := _TAGGED.search(name):
        tag = f"{found[1]}-{found[2]}"
        return (tag, True) if is_tag(tag) else None
    bare = name.casefold()
    if bare in _NO_FOLDERS or not bare.isalpha():
        return None
    if len(bare) in (2, 3):
        return (normalise(bare), False) if is_tag(bare) and not display_name(bare).startswith("Unknown") else None
    try:
        return None if is_tag(bare) or len(bare) < SHORTEST_NAME else (normalise(name), True)
    except DataError:
        return None


def _contradicted(tag: str, votes: Mapping[str, float], identifier: Identifier) -> bool:
    """Whether an identifier that knows the language takes the texts for another one."""
    installed = identifier.installed()
    known = set() if installed is None else set(map(plain, installed.languages))
    if plain(tag) not in known or max(votes.values(), default=0.0) < _MOSTLY:
        return False
    return not {plain(tag), macrolanguage(tag)} & set(map(plain, votes))


def _may_be_in(tag: str, script: str) -> bool:
    own = scripts_of(tag)
    return not own or not script or script in own


def _with_script(tag: str, script: str) -> str:
    """The canonical tag, with the script where the language is mostly written in another one."""
    bare = tag.partition("-")[0]
    if not script or script in scripts_of(bare):
        return normalise(bare if "-" in tag and _may_be_in(bare, script) else tag)
    return normalise(f"{bare}-{script}") if is_tag(f"{bare}-{script}") else normalise(tag)


def _votes(texts: Sequence[str], script: str, identifier: Identifier) -> dict[str, float]:
    """Languages by the share of texts that they are taken for, those in whose script they are.

    None where only components' profiles would say it: of all languages these know but theirs.
    """
    if identifier.installed() is None:
        return {}
    long = [text for text in texts if len(text) >= _SHORTEST][:_LOOKED_AT] or list(texts[:_LOOKED_AT])
    found = Counter(
        each.language for text in long if (each := identifier(text)).language is not None and each.probability >= 0.5
    )
    counted = {tag: count / len(long) for tag, count in found.most_common() if tag}
    return {tag: share for tag, share in counted.items() if _may_be_in(tag, script) and share >= 0.05}


def _usual(script: str) -> str | None:
    """The language that a script is mostly used for."""
    import langcodes

    if script in _BY_SCRIPT:
        return _BY_SCRIPT[script]
    language = langcodes.Language.get(f"und-{script}").maximize().language
    return None if not language or language in ("und", "en") else normalise(language)
