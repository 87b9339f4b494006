"""The test sets that several themes score on."""

from __future__ import annotations

from grid.job import DATA, Test

NAMES = {
    "eng": "English",
    "ind": "Indonesian",
    "ace": "Acehnese",
    "jav": "Javanese",
    "min": "Minangkabau",
    "sun": "Sundanese",
    "bam": "Bambara",
    "nqo": "N'Ko",
    "swh": "Swahili",
    "hau": "Hausa",
}
NUSAX = {"ace": "acehnese", "min": "minangkabau", "sun": "sundanese", "jav": "javanese"}
"""The languages of NusaX that the backbone knows little of, and their columns."""
NUSAX_TAGS = {"ace": "ace", "min": "min", "sun": "su", "jav": "jv"}


def script(language: str) -> str:
    """The code that FLORES-200, SIB-200 and NLLB Seed have for a language."""
    return f"{language}_{'Nkoo' if language == 'nqo' else 'Latn'}"


def sib(language: str, part: str = "test") -> Test:
    """Topics of SIB-200."""
    return Test("csv", {"path": f"{DATA}/sib200/{script(language)}/{part}.tsv", "label": "category"})


def flores(language: str, other: str = "eng") -> Test:
    """FLORES-200's sentences and their translations."""
    text, translation = (f"{DATA}/flores200/{script(one)}/devtest.txt" for one in (language, other))
    return Test("parallel", {"text": text, "translation": translation})


def tatoeba(language: str) -> Test:
    """Tatoeba's sentences and their English translations."""
    stem = f"{DATA}/tatoeba/{language}/tatoeba.{language}-eng"
    return Test("parallel", {"text": f"{stem}.{language}", "translation": f"{stem}.eng"})


def nusax_sentiment(language: str) -> Test:
    """Sentiment of NusaX."""
    return Test("csv", {"path": f"{DATA}/nusax-senti/{language}/test.csv", "label": "label"})


def nusax_translations(language: str) -> Test:
    """NusaX's test sentences and their Indonesian translations."""
    path = f"{DATA}/nusax-mt/parallel/test.csv"
    return Test("csv", {"path": path, "text": NUSAX[language], "translation": "indonesian"})


def trees(language: str, treebank: str) -> Test:
    """Universal Dependencies."""
    return Test("conllu", {"path": f"{DATA}/ud/{language}/{treebank}-ud-test.conllu"})


def masakhaner(language: str) -> Test:
    """MasakhaNER 2.0, without dates, which the training data does not mark."""
    return Test("conll", {"path": f"{DATA}/masakhaner2/{language}/test.txt", "types": ["PER", "ORG", "LOC"]})
