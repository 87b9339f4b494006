"""How a file of examples is read: its reader, encoding, delimiter and columns, found by looking into it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lect.authoring.columns import SECOND, Columns, columns_of
from lect.authoring.folders import ending_in, ending_of, readable_files
from lect.authoring.sample import Sample, sample_of
from lect.authoring.tables import Table, table_of
from lect.errors import DataError

Purpose = Literal["text", "pairs", "dictionary", "data"]
"""What a file was given for."""
Kind = Literal[
    "text",
    "pairs",
    "dictionary",
    "classification",
    "multi-label",
    "regression",
    "tagging",
    "pos",
    "qa",
    "multiple-choice",
    "retrieval",
]
"""What the rows of a file are good for: a language's texts, or a task by its head."""

SIDES = ("first", "second")
"""What the texts of a file with two in each row are called, where nothing in it names them."""
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ROWS = 2000
_TAG = re.compile(r"O|[BIESLUM]-\S+")
_TREE = re.compile(r"\d+(?:[-.]\d+)?(?:\t[^\t]*){9}")


@dataclass(frozen=True)
class Detected:
    """How a file is read, and what that gives.

    Args:
        reader: its name.
        config: of the reader.
        kind: what the rows are good for; of a table of texts in several languages ``pairs``.
        seen: what is worth telling, such as ``semicolons between fields``.
        texts: of a few rows, by column where there are several; by ``""`` where there is one.
        columns: of a table.
    """

    reader: str
    config: Mapping[str, Any]
    kind: Kind
    seen: tuple[str, ...] = ()
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: Columns | None = None

    def named(self, **config: Any) -> Detected:
        """The same with other fields of the reader's configuration; None takes one out."""
        merged = {**self.config, **config}
        return replace(self, config={key: value for key, value in merged.items() if value is not None})


def detect_by_content(named: str, purpose: Purpose) -> Detected:
    """How a file or a folder of files is read, by what is in it.

    Args:
        named: as the user wrote it.
        purpose: what it was given for, which decides where its content leaves two readings.

    Raises:
        DataError: there is no such file, it is no text, or it is laid out as nothing that is known.
    """
    path = Path(named).expanduser()
    if path.is_dir():
        return _of_folder(path, named, purpose)
    if path.name.lower().endswith(".xlsx"):
        from lect.authoring.tables import workbook_of

        return _of_table(workbook_of(path, named), named, purpose, "excel", {})
    sample = sample_of(path, named)
    found = _of_sample(sample, ending_of(path.name), named, purpose)
    seen = found.seen
    if sample.encoding != "utf-8":
        found = found.named(encoding=sample.encoding)
        seen = (*seen, f"saved as {sample.encoding}")
    elif sample.has_mark:
        seen = (*seen, "a byte order mark")
    return replace(found, seen=seen)


def _of_folder(path: Path, named: str, purpose: Purpose) -> Detected:
    files, ending = readable_files(path), ending_in(path)
    if not files:
        raise DataError("the folder has no files", where=named, fix="name a folder with texts or tables")
    first = next(file for file in files if ending_of(file.name) == ending)
    found = detect_by_content(str(first), purpose)
    # Readers of texts and tables take all files of a folder that end as theirs do; else a pattern says which.
    own = {"text": (".txt", ".text"), "csv": (".csv",), "tsv": (".tsv",), "jsonl": (".jsonl", ".json")}
    whole = ending in own.get(found.reader, ())
    pattern = named if whole else f"{named.rstrip('/')}/**/*{ending}"
    many = sum(1 for file in files if ending_of(file.name) == ending)
    taken: Any = pattern
    if found.reader not in own:
        taken = [str(file) for file in files if ending_of(file.name) == ending]
        taken = taken[0] if len(taken) == 1 else taken
    return replace(found.named(path=taken), seen=(*found.seen, f"{many} files" if many > 1 else "one file"))


def _of_sample(sample: Sample, ending: str, named: str, purpose: Purpose) -> Detected:
    lines = sample.lines
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith(("<?xml", "<tmx")):
        return _of_xml(lines, named)
    if first.startswith(("{", "[")) and (ending in (".json", ".jsonl") or _is_json(first)):
        return _of_json(sample, named, purpose)
    blocks = _blocks(lines)
    if _is_trees(blocks):
        return Detected("conllu", {"path": named}, "pos", texts={"": [" ".join(_second(block)) for block in blocks]})
    if tagged := _of_words(blocks, named):
        return tagged
    table = table_of(lines, ending)
    if table is not None and table.header is not None and (purpose != "text" or ending in (".csv", ".tsv")):
        return _of_table(table, named, purpose, table.reader, table.config)
    if _is_pairs(table, lines, purpose):
        sides = [[row[side] for row in table.rows] for side in (0, 1)] if table else _single_words(lines)
        kind: Kind = "dictionary" if purpose == "dictionary" or _are_words(sides[0]) else "pairs"
        config = {"path": named, "layout": "pairs"}
        texts = dict(zip(SIDES, sides, strict=True))
        return Detected("dictionary", config, kind, ("two columns without a header",), texts)
    if table is not None and purpose != "text":
        shown = ", ".join(cell[:20] for cell in table.rows[0][:4]) if table.rows else ""
        raise DataError(
            f"the table has no header: it begins with {shown!r}",
            where=f"{named}, line 1",
            fix="write a first line with the columns' names, such as text and label",
        )
    return Detected("text", {"path": named}, "text", texts={"": [line for line in lines if line.strip()]})


def _of_table(table: Table, named: str, purpose: Purpose, reader: str, config: Mapping[str, Any]) -> Detected:
    assert table.header is not None
    rows = [dict(zip(table.header, cells, strict=False)) for cells in table.rows[:_ROWS]]
    between = {"csv": table.delimiter, "tsv": "\t"}.get(reader)
    seen = () if between in (None, ",") or reader == "tsv" else (f"{DELIMITERS.get(between, between)}s between fields",)
    found = _of_columns(table.header, rows, named, purpose, reader, config)
    return replace(found, seen=(*seen, *found.seen))


def _of_columns(
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    named: str,
    purpose: Purpose,
    reader: str,
    config: Mapping[str, Any],
) -> Detected:
    """How rows with columns are read."""
    columns = columns_of(names, rows)
    own: dict[str, Any] = {"path": named, **config}
    held = {name: [str(row[name]) for row in rows if isinstance(row.get(name), str)] for name in columns.texts}
    if columns.words:
        own |= {"words": columns.words, "tags": columns.tags}
        kind: Kind = "tagging" if _are_entities(row[columns.tags or ""] for row in rows) else "pos"
        return Detected(reader, own, kind, texts={"": [" ".join(row[columns.words]) for row in rows]}, columns=columns)
    if not columns.texts:
        raise DataError(
            f"no column of texts is found (columns: {', '.join(map(repr, names))})",
            where=named,
            fix="name it: -o text=…",
        )
    if columns.key is not None:
        own["key"] = columns.key
    if columns.language is not None:
        own["language_column"] = columns.language
    first, *others = columns.texts
    if purpose in ("pairs", "dictionary") and others:
        sides = {"text": first, "translation": others[0]}
        if purpose == "dictionary":
            if reader not in ("csv", "tsv"):
                raise DataError("a dictionary is a table of text", where=named, fix="save it as CSV")
            layout = "tsv" if reader == "tsv" else "csv"
            entries = {"path": named, "layout": layout, **sides}
            return Detected("dictionary", entries, "dictionary", texts=held, columns=columns)
        return Detected(reader, {**own, **sides}, "pairs", texts=held, columns=columns)
    if first != "text" or reader == "excel":
        own["text"] = first
    if purpose == "data" and columns.label is not None:
        own["label"] = columns.label
        if others and others[0].casefold() in SECOND and held[first]:
            own["text_pair"] = others[0]
        kind = "multi-label" if columns.is_several else "regression" if columns.is_number else "classification"
        return Detected(reader, own, kind, texts=held, columns=columns)
    kind = "pairs" if others and purpose != "text" else "text"
    if kind == "pairs":
        own |= {"text": first, "translation": others[0]}
    return Detected(reader, own, kind, texts=held, columns=columns)


# --------------------------------------------------------------------------------------------------------------- JSON


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return line.startswith(("[{", "{")) and '":' in line
    return True


def _of_json(sample: Sample, named: str, purpose: Purpose) -> Detected:
    rows = _objects(sample)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    config: dict[str, Any] = {"path": named}
    if {"paragraphs", "qas"} & set(keys) or ("data" in keys and '"paragraphs"' in "".join(sample.lines[:50])):
        return Detected("squad", config, "qa", texts={"": _within(rows, "question")})
    question = next((key for key in ("question", "question_lang", *keys) if key in keys and "question" in key), None)
    if question and "context" in keys:
        answers = next((key for key in keys if key.startswith("answer") and _holds_spans(rows, key)), "answers")
        config |= {} if question == "question" else {"question": question}
        config |= {} if answers == "answers" else {"answers": answers}
        return Detected("squad", config, "qa", texts={"": [str(row.get(question, "")) for row in rows]})
    if {"choice1", "mc_answer1"} & set(keys):
        text = "premise" if "premise" in keys else "flores_passage"
        return Detected("choices", config, "multiple-choice", texts={"": [str(row.get(text, "")) for row in rows]})
    for text, match in (("anchor", "positive"), ("query", "positive"), ("question", "positive")):
        if {text, match} <= set(keys):
            config |= {} if text == "anchor" else {"text": text}
            return Detected("triples", config, "retrieval", texts={"": [str(row.get(text, "")) for row in rows]})
    if any(_holds_offsets(rows, key) for key in ("spans", "entities", "label", "labels", "annotations")):
        return Detected("spans", config, "tagging", texts={"": [str(row.get("text", "")) for row in rows]})
    flat = [_flat(row) for row in rows]
    return _of_columns(list(dict.fromkeys(key for row in flat for key in row)), flat, named, purpose, "jsonl", {})


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object, those of objects in it as readers name them: ``data.text``."""
    inside = {
        f"{key}.{name}": value for key, own in row.items() if isinstance(own, Mapping) for name, value in own.items()
    }
    return {**{key: value for key, value in row.items() if not isinstance(value, Mapping)}, **inside}


def _objects(sample: Sample) -> list[Mapping[str, Any]]:
    """The objects in the beginning of a file of JSON: one a line, or the elements of one list."""
    text, decoder, found, place = "\n".join(sample.lines), json.JSONDecoder(), list[Mapping[str, Any]](), 0
    while len(found) < _ROWS and (start := text.find("{", place)) >= 0:
        try:
            value, place = decoder.raw_decode(text, start)
        except ValueError:
            # Cut off, or an object of objects that is longer than the sample.
            if found or start:
                break
            return [dict.fromkeys(re.findall(r'"(\w+)"\s*:', text))]
        found.append(value)
    return found


def _within(value: Any, key: str) -> list[str]:
    """The texts under a key, however deep it stands."""
    if isinstance(value, Mapping):
        own = [value[key]] if isinstance(value.get(key), str) else []
        return [*own, *(text for inner in value.values() for text in _within(inner, key))]
    return [text for inner in value for text in _within(inner, key)] if isinstance(value, list) else []


def _holds_spans(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether a field holds an answer with its place, or several."""
    held = (row.get(key) for row in rows[:50])
    each = (one for value in held for one in (value if isinstance(value, list) else [value]))
    return any(isinstance(one, Mapping) and {"text", "answer_start"} & one.keys() for one in each)


def _holds_offsets(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    lists = [row[key] for row in rows[:50] if isinstance(row.get(key), list) and row[key]]
    return bool(lists) and all(
        (isinstance(each, list) and len(each) == 3 and isinstance(each[0], int))
        or (isinstance(each, Mapping) and {"start", "end"} <= each.keys())
        for spans in lists
        for each in spans
    )


# ---------------------------------------------------------------------------------------------------- words in columns


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """Lines between blank ones, without comments; none where nothing is between blank lines."""
    blocks: list[list[str]] = [[]]
    for line in lines[:20_000]:
        if not line.strip():
            blocks.append([])
        elif not re.match(r"# ?\S+ *=|# new|-DOCSTART-", line):
            blocks[-1].append(line)
    blocks = [block for block in blocks if block]
    return blocks if len(blocks) > 1 else []


def _is_trees(blocks: Sequence[Sequence[str]]) -> bool:
    return bool(blocks) and all(_TREE.fullmatch(line) for block in blocks[:20] for line in block)


def _second(block: Sequence[str]) -> list[str]:
    return [fields[1] for line in block if len(fields := line.split("\t")) > 1]


def _of_words(blocks: Sequence[Sequence[str]], named: str) -> Detected | None:
    """A file with a word a line and its tag beside it."""
    lines = [line for block in blocks for line in block]
    if len(lines) < 4:
        return None
    rows = [line.split("\t") if "\t" in line else line.split() for line in lines]
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < 2 or width > 30 or count < 0.98 * len(rows):
        return None
    rows = [row for row in rows if len(row) == width]
    config: dict[str, Any] = {"path": named}
    words = 1 if all(row[0].isdigit() for row in rows) else 0
    found = [column for column in range(width) if all(_TAG.fullmatch(row[column]) for row in rows)]
    found = [column for column in found if len({row[column] for row in rows}) > 1]
    tags, kind = (found[0], "tagging") if found else (width - 1, "pos")
    if not found and len({row[tags] for row in rows}) > max(4, min(60, 0.1 * len(rows))):
        return None
    if words:
        config["words"] = words
    if tags != width - 1:
        config["tags"] = tags
    if sum(" " in row[words].strip() for row in rows) > 0.02 * len(rows):
        return None  # a table of texts, with a blank line in it; a word such as ": (" may have a space
    texts = [" ".join(row[words] for row in map(str.split, block) if len(row) > words) for block in blocks]
    return Detected("conll", config, "tagging" if kind == "tagging" else "pos", texts={"": texts})


def _are_entities(tags: Any) -> bool:
    return all(isinstance(tag, int) or _TAG.fullmatch(str(tag)) for row in tags for tag in row)


# ---------------------------------------------------------------------------------------------------------- two sides


def _of_xml(lines: Sequence[str], named: str) -> Detected:
    text = "\n".join(lines)
    languages = [tag for tag, _ in Counter(re.findall(r'<tuv[^>]*?lang="([^"]+)"', text)).most_common()]
    if "<tmx" not in text or len(languages) < 2:
        raise DataError("the file is XML, and no translation memory (TMX)", where=named, fix="name it with --reader")
    segments: dict[str, list[str]] = {tag: [] for tag in languages}
    for tag, segment in re.findall(r'<tuv[^>]*?lang="([^"]+)"[^>]*>.*?<seg>(.*?)</seg>', text, re.DOTALL):
        segments[tag].append(re.sub(r"<[^>]+>", " ", segment))
    config = {"path": named, "text": languages[0], "translation": languages[1]}
    return Detected("tmx", config, "pairs", texts=segments)


def _is_pairs(table: Table | None, lines: Sequence[str], purpose: Purpose) -> bool:
    """Whether there are two texts a line without a header."""
    if table is not None and table.header is None and table.delimiter == "\t" and len(table.rows[0]) == 2:
        return True
    return table is None and purpose == "dictionary" and bool(_single_words(lines)[0])


def _single_words(lines: Sequence[str]) -> list[list[str]]:
    """Both sides where every line is two words with a space between; else none."""
    rows = [line.split() for line in lines if line.strip()]
    if not rows or any(len(row) != 2 for row in rows):
        return [[], []]
    return [[row[0] for row in rows], [row[1] for row in rows]]


def _are_words(texts: Sequence[str]) -> bool:
    """Whether texts are entries of a dictionary: of one word or two."""
    return bool(texts) and sum(len(text.split()) for text in texts) <= 2 * len(texts)
