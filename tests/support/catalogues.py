"""Catalogues of messages, brought up to date with the code: ``python tests/support/catalogues.py [NEW_TAG]``.

What the code says is extracted; of each catalogue messages that are gone are left out, new ones are added without a
translation, which the translator writes, and the compiled file is written anew. With a tag, catalogues of a new
language are begun.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import polib

ROOT = Path(__file__).parents[2]
HOST, SERVER = ROOT / "core/lect", ROOT / "plugins/serve/lect_serve/page"
PACKAGES = (HOST, SERVER)
_NAMES = {"_", "gettext", "ngettext", "message", "pieces"}
_IN_SCRIPTS = re.compile(r'\b(?:gettext|ngettext|pieces)\(\s*("(?:[^"\\]|\\.)*")(?:,\s*("(?:[^"\\]|\\.)*"))?')
_IN_MARKUP = re.compile(r"\{\{(.+?)\}\}")
_FILLED_IN = {"locale", "direction", "locales"}

Key = tuple[str, str]
"""A message, and its plural or ""."""


def messages_of(package: Path) -> dict[Key, str]:
    """What a package says, in the order of its files, with the file that says it first."""
    found: dict[Key, str] = {}
    for file in sorted(package.rglob("*")):
        if file.suffix == ".py":
            keys = _in_python(file.read_text(encoding="utf-8"))
        elif file.suffix == ".js":
            keys = _in_script(file.read_text(encoding="utf-8"))
        elif file.suffix == ".html":
            keys = [
                (text, "") for text in _IN_MARKUP.findall(file.read_text(encoding="utf-8")) if text not in _FILLED_IN
            ]
        else:
            continue
        for key in keys:
            found.setdefault(key, file.relative_to(ROOT).as_posix())
    if package == HOST:
        from lect.evaluation.html.glossary import EXPLAINED, meaning_of

        found |= {(meaning_of(word), ""): "core/lect/glossary.md" for word in EXPLAINED}
    return found


def catalogues_of(package: Path) -> list[Path]:
    """The files that translators edit."""
    return sorted((package / "locales").glob("*.po"))


def update(file: Path, messages: dict[Key, str]) -> int:
    """Bring a catalogue up to date and compile it; how many messages lack a translation."""
    old = polib.pofile(str(file), encoding="utf-8")
    known = {(each.msgid, each.msgid_plural): each for each in old if not each.obsolete}
    new = polib.POFile(encoding="utf-8", wrapwidth=110)
    new.header, new.metadata = old.header, old.metadata
    forms = int(re.search(r"nplurals=(\d+)", old.metadata["Plural-Forms"])[1])
    for key, place in messages.items():
        entry = known.get(key) or polib.POEntry(msgid=key[0], msgid_plural=key[1])
        if key[1] and not entry.msgstr_plural:
            entry.msgstr_plural = dict.fromkeys(range(forms), "")
        entry.occurrences = [(place, "")]
        new.append(entry)
    new.save(str(file))
    new.save_as_mofile(str(file.with_suffix(".mo")))
    return len(new.untranslated_entries()) + len(new.fuzzy_entries())


def _in_python(text: str) -> list[Key]:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.args]
    found = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [each.value for each in call.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if name in _NAMES and given:
            found.append((given[0], given[1] if name == "ngettext" else ""))
    return found


def _in_script(text: str) -> list[Key]:
    return [(ast.literal_eval(one), ast.literal_eval(many) if many else "") for one, many in _IN_SCRIPTS.findall(text)]


def main(tags: list[str]) -> None:
    """Update all catalogues, and begin those of new languages."""
    for package in PACKAGES:
        for tag in tags:
            file = package / "locales" / f"{tag}.po"
            if not file.exists():
                new = polib.POFile()
                new.metadata = {
                    "MIME-Version": "1.0",
                    "Content-Type": "text/plain; charset=UTF-8",
                    "Content-Transfer-Encoding": "8bit",
                    "Language": tag,
                    "Plural-Forms": "nplurals=2; plural=(n != 1);",
                    "X-Name": tag,
                    "X-Number": "1,234.5",
                }
                file.parent.mkdir(exist_ok=True)
                new.save(str(file))
        messages = messages_of(package)
        for file in catalogues_of(package):
            missing = update(file, messages)
            print(f"{file.relative_to(ROOT)}: {len(messages)} messages, {missing} to translate")


if __name__ == "__main__":
    main(sys.argv[1:])
