"""A registry made searchable: checked and laid into SQLite once, under the hash of its `registry.toml`."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lect.cache import cache_folder
from lect.errors import UserError
from lect.files import file_beside
from lect.registry.format import decode_registry

if TYPE_CHECKING:
    from lect.registry.model import ComponentEntry, PluginEntry, Registry

LAYOUT = 3
"""Raised whenever the tables below or the check of registries change, so that older files are made again."""

_TABLES = """
CREATE TABLE component (
    key TEXT, version TEXT, languages TEXT, backbone TEXT, words TEXT, yanked INTEGER, position INTEGER, entry TEXT
);
CREATE INDEX by_key ON component (key);
CREATE TABLE tag (alias TEXT PRIMARY KEY, canonical TEXT);
CREATE TABLE plugin (name TEXT, distribution TEXT, words TEXT, entry TEXT);
"""


@dataclass(frozen=True)
class Query:
    """What is looked for; everything that is given must hold.

    Args:
        words: texts that occur in a component's name, summary, methods, head, or the names of its languages.
        language: a tag as `canonical_tag` gives it; one without a script or region stands for all with one.
        task: a word of a task component's name, summary or head.
        backbone: a name, a hub id, or the beginning of a fingerprint.
        yanked: whether to show also what should not be used any more.
    """

    words: tuple[str, ...] = ()
    role: str | None = None
    language: str | None = None
    task: str | None = None
    backbone: str | None = None
    yanked: bool = False


@dataclass(frozen=True)
class Index:
    """A registry's entries on disk."""

    path: Path

    def search(self, query: Query) -> list[str]:
        """The entries that fit, as JSON, in the registry's order."""
        conditions, values = _conditions(query)
        rows = self._select(f"SELECT entry FROM component WHERE {conditions} ORDER BY position", values)
        return [row[0] for row in rows]

    def versions(self, key: str) -> list[ComponentEntry]:
        """Every version of a component, by its role and name."""
        from lect.registry.model import ComponentEntry

        rows = self._select("SELECT entry FROM component WHERE key = ?", (key,))
        return [ComponentEntry.model_validate_json(row[0]) for row in rows]

    def keys(self) -> list[str]:
        """Every component's role and name."""
        return [row[0] for row in self._select("SELECT DISTINCT key FROM component ORDER BY key", ())]

    def plugins(self, words: Sequence[str] = ()) -> list[PluginEntry]:
        """The plugins in whose names and summaries these words occur."""
        from lect.registry.model import PluginEntry

        conditions = " AND ".join(["1", *("words LIKE ? ESCAPE '\\'" for _ in words)])
        rows = self._select(f"SELECT entry FROM plugin WHERE {conditions}", [_like(word) for word in words])
        return [PluginEntry.model_validate_json(row[0]) for row in rows]

    def canonical_tag(self, tag: str) -> str | None:
        """The form in which a language of these components is searched for; None where none has this tag."""
        rows = self._select("SELECT canonical FROM tag WHERE alias = ?", (tag.strip().casefold(),))
        return rows[0][0] if rows else None

    def _select(self, statement: str, values: Sequence[object]) -> list[tuple[str]]:
        with closing(_open(self.path)) as connection:
            return connection.execute(statement, values).fetchall()


def canonical_tag(indexes: Iterable[Index], tag: str) -> str:
    """The form in which a language is searched for. Raises `DataError` for what is no tag."""
    # Looked up in the indexes first, since the library that knows all tags takes long to load.
    known = (index.canonical_tag(tag) for index in indexes)
    return next((found for found in known if found is not None), None) or _language(tag)


def index_of(content: bytes, *, where: str) -> Index:
    """The index of a `registry.toml` with this content, made if it was never seen before.

    Args:
        where: what messages call the file.

    Raises:
        RegistryError: it is no valid registry.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = cache_folder() / "registries" / f"{digest}.{LAYOUT}.sqlite"
    if not _is_whole(path):
        from lect.registry.model import parse_registry

        registry = parse_registry(decode_registry(content, where=where), where=where)
        _build(registry, path)
    return Index(path)


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(_open(path)) as connection:
            return bool(connection.execute("SELECT count(*) FROM plugin").fetchone() is not None)
    except sqlite3.Error:
        with suppress(OSError):
            path.unlink()
        return False


def _open(path: Path) -> sqlite3.Connection:
    # As an address, in which `#`, `?` and `%` of a path are spelt out.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _build(registry: Registry, path: Path) -> None:
    try:
        with file_beside(path) as aside:
            with closing(sqlite3.connect(aside)) as connection, connection:
                connection.executescript(_TABLES)
                connection.executemany("INSERT INTO component VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _rows(registry))
                tags = {tag for entry in registry.components for tag in entry.languages}
                connection.executemany("INSERT OR IGNORE INTO tag VALUES (?, ?)", _aliases(tags))
                connection.executemany(
                    "INSERT INTO plugin VALUES (?, ?, ?, ?)",
                    (
                        (
                            entry.name,
                            entry.distribution,
                            f"{entry.name} {entry.distribution} {entry.summary}".casefold(),
                            entry.model_dump_json(exclude_none=True),
                        )
                        for entry in registry.plugins
                    ),
                )
            aside.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"the cache cannot be written ({str(error).lower()})",
            where=str(path.parent),
            fix="free some space, or set LECT_CACHE to a folder of yours",
        ) from error


def _rows(registry: Registry) -> Iterator[tuple[object, ...]]:
    for position, entry in enumerate(registry.components):
        backbone = entry.backbone
        names = (name for tag in entry.languages for name in _names(tag))
        words = " ".join((entry.key, entry.summary, entry.head, *entry.methods, *entry.languages, *names))
        yield (
            entry.key,
            entry.version,
            f" {' '.join(_language(tag) for tag in entry.languages)} ",
            "\n".join(("", backbone.name, backbone.identity, backbone.fingerprint, "")).casefold(),
            words.casefold(),
            entry.yanked is not None,
            position,
            entry.model_dump_json(by_alias=True, exclude_none=True),
        )


def _aliases(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each way to write these tags that a user may try, and the one form that is searched for."""
    import langcodes

    from lect.languages.tags import SHORTEST_NAME

    for tag in sorted(tags):
        canonical = _language(tag)
        yield canonical, canonical
        yield tag.lower(), canonical
        if len(name := _names(tag)[0]) >= SHORTEST_NAME:
            yield name.casefold(), canonical
        language = langcodes.Language.get(canonical)
        if canonical == language.language:
            with suppress(LookupError):
                yield str(language.to_alpha3()).lower(), canonical


@lru_cache(maxsize=4096)
def _names(tag: str) -> tuple[str, ...]:
    """What a language is called in English, and by itself."""
    import langcodes

    from lect.languages.tags import display_name, normalise

    own = str(langcodes.Language.get(normalise(tag)).autonym())
    return tuple(dict.fromkeys((display_name(tag), own)))


@lru_cache(maxsize=4096)
def _language(tag: str) -> str:
    from lect.languages.tags import normalise

    return normalise(tag).lower()


def _conditions(query: Query) -> tuple[str, list[object]]:
    conditions, values = ["1"], list[object]()

    def add(condition: str, *given: object) -> None:
        conditions.append(condition)
        values.extend(given)

    if not query.yanked:
        add("NOT yanked")
    if query.role:
        add("key LIKE ? ESCAPE '\\'", f"{_escaped(query.role)}:%")
    if query.language is not None:
        tag = _escaped(query.language)
        add("(languages LIKE ? ESCAPE '\\' OR languages LIKE ? ESCAPE '\\')", f"% {tag} %", f"% {tag}-%")
    if query.task:
        add("key LIKE 'task:%' AND words LIKE ? ESCAPE '\\'", _like(query.task))
    if query.backbone:
        wanted = _escaped(query.backbone.casefold())
        add(
            "(backbone LIKE ? ESCAPE '\\' OR backbone LIKE ? ESCAPE '\\')",
            f"%\n{wanted}\n%",
            f"%\n{wanted}%\n" if len(query.backbone) >= 8 else "",
        )
    for word in query.words:
        add("words LIKE ? ESCAPE '\\'", _like(word))
    return " AND ".join(conditions), values


def _like(word: str) -> str:
    return f"%{_escaped(word.casefold())}%"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
