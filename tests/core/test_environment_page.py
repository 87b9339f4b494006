"""`docs/environment.md`: it names every environment variable that the code reads or sets, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
ACCESS = re.compile(
    r"""(?:environ(?:ment)?(?:\.get|\.setdefault|\.pop)?\s*[(\[]|getenv\(|_flag\(|_named_by\()\s*"([A-Z_0-9]+)\""""
)
NAMED = re.compile(r"\b(?:LECT|HF|TRANSFORMERS|FSDP|ACCELERATE)_[A-Z_]+[A-Z]\b")
"""How such a variable looks in code, messages and help, wherever it is read."""
BY_LIBRARIES = {"COLUMNS"}
"""Read through the standard library, which names it nowhere here."""


def sources():
    for folder in ("core", "plugins"):
        for file in (ROOT / folder).rglob("*.py"):
            if "build" not in file.parts and "templates" not in file.parts:
                yield file.read_text(encoding="utf-8")


def test_the_page_names_what_the_code_reads():
    read = {name for text in sources() for name in (*ACCESS.findall(text), *NAMED.findall(text))}
    assert len(read) > 10
    assert {name for name in read if f"`{name}`" not in PAGE} == set()


def test_the_code_reads_what_the_page_names():
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`([A-Z_]+)`", row)
    }
    code = "\n".join(sources())
    assert len(named) > 10
    assert {name for name in named - BY_LIBRARIES if f'"{name}"' not in code} == set()
