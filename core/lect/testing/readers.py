"""The contract that every reader keeps, as tests that any plugin can run on its own with one line.

In a plugin's tests::

    from lect.testing import reader_contract

    test_contract = reader_contract("myreader", "a small file's content\\n")

gives one test for each property. Which ones depends on the reader: what has no ``path``, ``limit``, ``language`` or
``encoding`` in its configuration is not asked about them.

===========================  ========================================================================================
``says_where_rows_stand``    each row's origin names its file and the place in it, such as the line
``reads_twice_the_same``     nothing is left behind by a first reading
``goes_through_files``       rows written by ``lect data clean`` and read again are the same rows
``knows_byte_order_marks``   one is no part of the first row
``knows_all_line_ends``      ``\\r\\n`` means what ``\\n`` means
``reads_compressed_files``   by gzip, as they are without
``reads_other_encodings``    a file in UTF-16, where its configuration says so
``refuses_wrong_bytes``      what is not of the encoding is an error that names the file
``refuses_empty_files``      an empty file is an error that names it
``refuses_missing_files``    so is a file that is not there
``keeps_to_the_limit``       of so many rows, the first ones
``says_the_language``        the configuration's tag, in its canonical form
``is_lazy``                  the first rows are given before a fault far below is met
===========================  ========================================================================================
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lect.data.examples import OF_THE_FILE, Example
from lect.data.written import lines_of
from lect.errors import DataError
from lect.specs import ReaderSpec
from lect.testing.installed import installed_host

_FAR_BELOW = 1 << 21


def reader_contract(
    reader: str | ReaderSpec,
    files: str | Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    properties: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> Callable[..., None]:
    """A test function for pytest, parametrised over the properties above.

    Args:
        reader: a registered reader's name, or a spec.
        files: what it is to read, at least two rows: the content of one file, which `path` in the configuration then
            names, or several by name, which the configuration names itself; None for a reader of no files.
        config: the fields of its configuration.
        properties: the properties to test; by default all that its configuration has fields for.
        without: those of them that it does not have, such as ``is_lazy`` where a file is one token.
    """
    spec = reader if isinstance(reader, ReaderSpec) else installed_host().spec(ReaderSpec, reader)
    values = dict(config or {})
    if isinstance(files, str):
        name = f"rows{spec.endings[0] if spec.endings else '.txt'}"
        files, values = {name: files}, {"path": name, **values}
    contract = ReaderContract(spec, dict(files or {}), values)
    known = {*spec.config.model_fields, "path"} - ({"path"} if not files else set())
    asked = [name for name, needs in PROPERTIES.items() if known.issuperset(needs)]
    chosen = [name for name in (asked if properties is None else properties) if name not in without]

    @pytest.mark.parametrize("holds", chosen)
    def test(holds: str) -> None:
        getattr(contract, holds)()

    return test


PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "says_where_rows_stand": ("path",),
    "reads_twice_the_same": (),
    "goes_through_files": (),
    "knows_byte_order_marks": ("path",),
    "knows_all_line_ends": ("path",),
    "reads_compressed_files": ("path",),
    "reads_other_encodings": ("path", "encoding"),
    "refuses_wrong_bytes": ("path",),
    "refuses_empty_files": ("path",),
    "refuses_missing_files": ("path",),
    "keeps_to_the_limit": ("limit",),
    "says_the_language": ("language",),
    "is_lazy": ("path",),
}
"""Each property, with the fields of a configuration that it is about; ``path`` stands for files of any name."""


@dataclass(frozen=True)
class ReaderContract:
    """The properties of one reader; each method below raises `AssertionError`.

    Args:
        files: what it reads, by name.
        config: the fields of its configuration, which name the files.
    """

    spec: ReaderSpec
    files: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    def says_where_rows_stand(self) -> None:
        """An origin names the file, and a place in it: where that is a line, one that is there."""
        rows = self._rows()
        assert len(rows) > 1, "give the contract a file of at least two rows"
        for row in rows:
            name = next((name for name in self.files if row.origin.startswith(f"{name}, ")), None)
            assert name, f'the origin "{row.origin}" is not like "{next(iter(self.files))}, line 2"'
            if found := re.search(r"line (\d+)", row.origin):
                lines = self.files[name].count("\n") + 1
                assert 1 <= int(found[1]) <= lines, f"there is no such line: {row.origin}"
        assert len({row.origin for row in rows}) == len(rows), "two rows have the same origin"

    def reads_twice_the_same(self) -> None:
        """A second reading gives what the first one gave."""
        assert self._rows() == self._rows()

    def goes_through_files(self) -> None:
        """Every field is of the type that `Example` says, and what is in `extra` is JSON."""
        rows = self._rows()
        with tempfile.TemporaryDirectory() as folder:
            lines = lines_of((replace(row, more=None) for row in rows), ".jsonl", "rows.jsonl")
            Path(folder, "rows.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
            examples = installed_host().configured(ReaderSpec, "examples", {"path": "rows.jsonl"}, "rows.jsonl")
            again = list(examples.spec.read(examples.config, Path(folder)))
        assert [_bare(row) for row in again] == [_bare(row) for row in rows]

    def knows_byte_order_marks(self) -> None:
        """A file may begin with one."""
        assert self._rows(lambda content: b"\xef\xbb\xbf" + content.encode()) == self._rows()

    def knows_all_line_ends(self) -> None:
        """A file may come from Windows."""
        rows = self._rows(lambda content: content.replace("\n", "\r\n").encode())
        assert rows == self._rows()

    def reads_compressed_files(self) -> None:
        """A file may be compressed."""
        rows = self._rows(lambda content: gzip.compress(content.encode()), ending=".gz")
        assert [_bare(row) for row in rows] == [_bare(row) for row in self._rows()]

    def reads_other_encodings(self) -> None:
        """A file may be in whatever the configuration says."""
        assert self._rows(lambda content: content.encode("utf-16"), encoding="utf-16") == self._rows()

    def refuses_wrong_bytes(self) -> None:
        """What is no UTF-8 is said with the file's name."""
        self._refuses(lambda content: content.encode() + b"\xff\xfe\n", "a file with bytes that are no UTF-8")

    def refuses_empty_files(self) -> None:
        """A file without a row is said with its name."""
        self._refuses(lambda content: b"", "an empty file")

    def refuses_missing_files(self) -> None:
        """A file that is not there is said with its name."""
        self._refuses(lambda content: None, "a file that is not there")

    def keeps_to_the_limit(self) -> None:
        """The first rows, and no more."""
        rows = self._rows()
        assert self._rows(limit=1) == rows[:1]
        assert self._rows(limit=len(rows) + 1) == rows

    def says_the_language(self) -> None:
        """Of every row, in its canonical form."""
        assert {row.language for row in self._rows(language="jav")} == {"jv"}, 'of "jav" the canonical form is "jv"'

    def is_lazy(self) -> None:
        """A long file is not held in memory."""
        repeated = {name: content * (_FAR_BELOW // max(1, len(content)) + 1) for name, content in self.files.items()}
        with tempfile.TemporaryDirectory() as folder:
            for name, content in repeated.items():
                Path(folder, name).write_bytes(content.encode() + b"\xff\xfe\n")
            first = list(islice(self._read(Path(folder), self.config), 2))
        assert first == self._rows()[:2]

    def _refuses(self, encode: Callable[[str], bytes | None], what: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._rows(encode, folder=folder)
            except DataError as error:
                named = any(name in str(error) for name in self.files)
                assert named, f'of {what} the error does not name the file: "{error}"'
                return
            except Exception as error:
                raise AssertionError(f"{what} is a {type(error).__name__}, not a lect.DataError") from error
        raise AssertionError(f"{what} is read as if nothing were wrong")

    def _rows(
        self,
        encode: Callable[[str], bytes | None] = str.encode,
        *,
        folder: str | None = None,
        ending: str = "",
        **settings: Any,
    ) -> list[Example]:
        """All rows of the files, each written as `encode` says (None for not at all)."""
        if folder is None:
            with tempfile.TemporaryDirectory() as own:
                return self._rows(encode, folder=own, ending=ending, **settings)
        for name, content in self.files.items():
            if (written := encode(content)) is not None:
                Path(folder, name + ending).write_bytes(written)
        named = {
            key: value + ending if isinstance(value, str) and value in self.files else value
            for key, value in self.config.items()
        }
        return list(self._read(Path(folder), {**named, **settings}))

    def _read(self, folder: Path, config: Mapping[str, Any]) -> Any:
        return self.spec.read(self.spec.config.model_validate(dict(config)), folder)


def _bare(row: Example) -> Example:
    """The row without where it stood."""
    nothing: dict[str, Any] = {name: "" if name == "origin" else None for name in OF_THE_FILE}
    return replace(row, **nothing)
