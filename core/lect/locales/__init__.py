"""The language of a page's reader: its messages, its numbers, and the direction in which it is written.

Messages stand in the code in English, as keys of GNU gettext catalogues: `Locale.gettext`, `Locale.ngettext` and
`message` mark them. A package has its catalogues in a folder ``locales``: translators edit ``fr.po``, and ``fr.mo``
beside it, which ``tests/support/catalogues.py`` compiles, is what is read. The header of a catalogue says how plurals
are formed, how a number is written (``X-Number: 1 234,5``), what the language calls itself (``X-Name: français``), and,
where it is written from right to left, so (``X-Direction: rtl``).

There is no locale of the process: a command chooses one where it starts, and hands it down.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from typing import Any, Literal

from lect.errors import UserError

_SOURCE = "en"
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""As gettext goes through them: the first one that is set counts."""


@dataclass(frozen=True)
class Locale:
    """What a page needs to know of its reader's language.

    Args:
        tag: of BCP 47, for the attribute ``lang`` of pages.
        name: what the language calls itself.
        number: how it writes 1,234.5.
        catalogue: of the package whose page it is.
    """

    tag: str = _SOURCE
    name: str = "English"
    direction: Literal["ltr", "rtl"] = "ltr"
    number: str = "1,234.5"
    catalogue: NullTranslations = field(default_factory=NullTranslations)

    def gettext(self, text: str, /, **values: object) -> str:
        """A message, with values in the place of what its braces name."""
        return self.catalogue.gettext(text).format(**values)

    def term(self, text: str) -> str:
        """A text that `message` may have marked elsewhere; any other one as it is."""
        return self.catalogue.gettext(text) if text else text

    def ngettext(self, one: str, many: str, count: int, /, **values: object) -> str:
        """A message in the plural form that goes with a count, which it may name as ``{count}``."""
        return self.catalogue.ngettext(one, many, count).format(**{"count": self.format(count), **values})

    def format(self, value: float, form: str = ",") -> str:
        """A number, by what `format` takes for it, with the separators of the language."""
        return self.punctuated(format(value, form))

    def punctuated(self, number: str) -> str:
        """A number that is written as in English, with the separators of the language."""
        return number.translate({ord(","): self.number[1], ord("."): self.number[-2]})

    def for_scripts(self) -> dict[str, Any]:
        """The catalogue as JSON has it, for scripts of a page, which fill in values themselves.

        ``messages`` are by what they say in English, in the singular; what has plural forms is a list of them, and
        ``plural`` says for each count below 200 which of them is taken: rules look at the last two digits at most.
        """
        # The standard library has no other way to list what a catalogue holds.
        held: dict[Any, str] = getattr(self.catalogue, "_catalog", {})
        found: dict[str, Any] = {}
        for key, text in held.items():
            if isinstance(key, tuple):
                found.setdefault(key[0], {})[key[1]] = text
            elif key:
                found[key] = text
        messages = {
            key: [text[place] for place in sorted(text)] if isinstance(text, dict) else text
            for key, text in found.items()
        }
        rule = getattr(self.catalogue, "plural", lambda count: int(count != 1))
        return {"messages": messages, "plural": [int(rule(count)) for count in range(200)]}


ENGLISH = Locale()
"""The language in which messages are written, and in which all is said that programs read."""


def message(text: str) -> str:
    """The same text: it marks a message that is translated where it is shown."""
    return text


def find_locale(wanted: str | None = None, package: str = "lect") -> Locale:
    """The locale of a tag such as ``fr``; without one, what the environment asks for, or else English.

    ``LECT_LOCALE`` goes before the variables of gettext (``LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES``, ``LANG``).

    Args:
        package: of whose catalogues.

    Raises:
        UserError: a tag is given of which there is no catalogue.
    """
    if wanted is None:
        asked = os.environ.get("LECT_LOCALE") or next(
            (os.environ[name] for name in _VARIABLES if os.environ.get(name)), ""
        )
        return best_locale(asked.split(":"), package) or ENGLISH
    found = best_locale([wanted], package)
    if found is None:
        *others, last = tags_of(package)
        fix = f"take {', '.join(others)} or {last}, or add one (docs/evaluation.md)"
        raise UserError("pages are not in this language", where=f'locale "{wanted}"', fix=fix)
    return found


def best_locale(wanted: Iterable[str], package: str = "lect") -> Locale | None:
    """The first of some tags, or of what they are variants of (``fr`` of ``fr_CA.UTF-8``), that has a catalogue."""
    known = {tag.lower(): tag for tag in tags_of(package)}
    for each in wanted:
        subtags = each.partition(".")[0].partition("@")[0].replace("_", "-").lower().split("-")
        for length in range(len(subtags), 0, -1):
            tag = known.get("-".join(subtags[:length]))
            if tag is not None:
                return ENGLISH if tag == _SOURCE else _read(tag, package)
    return None


def tags_of(package: str = "lect") -> list[str]:
    """The tags of a package's catalogues, and of English."""
    names = (file.name for file in resources.files(package).joinpath("locales").iterdir())
    return sorted({_SOURCE, *(name.removesuffix(".mo") for name in names if name.endswith(".mo"))})


@lru_cache(maxsize=32)
def _read(tag: str, package: str) -> Locale:
    with resources.files(package).joinpath("locales").joinpath(f"{tag}.mo").open("rb") as file:
        catalogue = GNUTranslations(file)
    header = catalogue.info()
    direction: Literal["ltr", "rtl"] = "rtl" if header.get("x-direction") == "rtl" else "ltr"
    return Locale(tag, header["x-name"], direction, header["x-number"], catalogue)
