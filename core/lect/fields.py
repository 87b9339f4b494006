"""Fields that configurations, manifests and recipes share; a check returns what it is given or raises `ValueError`."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from lect.errors import UserError
from lect.versions import is_version

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""The names of components."""
NAME_RULE = 'a letter or digit, then letters, digits, ".", "_" or "-"'


class Config(BaseModel):
    """A configuration: frozen, and no unknown field passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check_line(text: str) -> str:
    """A text of one line without control characters."""
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("should be one line without control characters")
    return text


def check_text(text: str) -> str:
    """A text of one or several lines without other control characters."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t" for character in text):
        raise ValueError("should be text without control characters")
    return text


def check_name(text: str) -> str:
    """A component's name, as stacks take it."""
    if not re.fullmatch(NAME_PATTERN, text) or len(text) > 100:
        raise ValueError(f"should be a name of at most 100 characters ({NAME_RULE})")
    return text


def check_version(version: str) -> str:
    """A version that a stack can name: PEP 440 without epoch and local part."""
    if not is_version(version):
        raise ValueError("should be a version such as 1.0.0")
    return version


def check_language(language: str) -> str:
    """A tag that names a language; of its English name the tag."""
    tag, problem = _language(language)
    if problem:
        raise ValueError(problem)
    return tag


def check_licence(licence: str) -> str:
    """An SPDX expression, or "" where no licence is stated."""
    if not licence:
        return licence
    if problem := _licence_problem(licence):
        known = _licences()
        close = difflib.get_close_matches(re.sub(" licen[cs]e$", "", licence.casefold()), known, n=1)
        meant = f'; did you mean "{known[close[0]]}"?' if close else ""
        raise ValueError(f"should be an SPDX expression such as Apache-2.0 or CC-BY-SA-4.0 ({problem}){meant}")
    return licence


COMMON_LICENCES = frozenset(
    {
        "Apache-2.0",
        "BSD-3-Clause",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "MIT",
        "Unicode-3.0",
    }
)
"""What most components say, in SPDX's own words."""


# A registry of ten thousand components has few licences and languages, and each takes long to look up.
@lru_cache(maxsize=1024)
def _licence_problem(licence: str) -> str | None:
    if licence in COMMON_LICENCES:
        # The list of all takes half as long to read as all else of a component.
        return None
    if len(licence) > 500:
        return "it is longer than 500 characters"
    # LicenseRef-… names a licence that SPDX has no identifier for; SPDX allows any.
    listed = re.sub(r"\bLicenseRef-[A-Za-z0-9.-]+", "MIT", licence)
    try:
        problems = _spdx().validate(listed).errors
    except (AttributeError, TypeError, ValueError, RecursionError):
        # The library stumbles over some of what is no expression, such as "(mit" or ")".
        return "it cannot be parsed"
    return " ".join(problems[0].split()) if problems else None


def parse_licence(licence: str) -> Any:
    """A licence as `license_expression` has it: symbols, and what joins them. None where it is no expression."""
    from license_expression import ExpressionError, ParseError

    if len(licence) > 500:
        return None
    try:
        return _spdx().parse(licence)
    except (ExpressionError, ParseError, AttributeError, IndexError, TypeError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=1)
def _licences() -> dict[str, str]:
    """Every licence of SPDX, by its name without capitals; of two versions of one the newest comes first."""
    names = sorted((str(name) for name in _spdx().known_symbols if "LicenseRef" not in name), reverse=True)
    return {name.casefold(): name for name in names}


@lru_cache(maxsize=1)
def _spdx() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@lru_cache(maxsize=4096)
def _language(language: str) -> tuple[str, str]:
    """The tag, and what is wrong with it."""
    from lect.languages.tags import is_tag, normalise

    try:
        canonical = normalise(language)
    except UserError as error:
        remedy = f"; {error.fix}" if error.fix else ""
        return language, f"should be a language tag of BCP 47 or ISO 639, or an English name{remedy}"
    # Tags stay as they were written.
    return (language if is_tag(language) else canonical), ""


def check_distinct(names: list[str], what: str = "method") -> None:
    """Names of which none occurs twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f'the {what} "{name}" is there twice')


def tuple_of(value: Any) -> Any:
    """A list as a tuple, and anything else as it is: TOML has only lists, and frozen models only tuples."""
    return tuple(value) if isinstance(value, list) else value


Line = Annotated[str, AfterValidator(check_line)]
"""A text that can be shown in a table or a message."""
LongText = Annotated[str, Field(max_length=10_000), AfterValidator(check_text)]
"""A text of several lines, such as a citation."""
Name = Annotated[str, AfterValidator(check_name)]
VersionText = Annotated[str, AfterValidator(check_version)]
Licence = Annotated[str, AfterValidator(check_line), AfterValidator(check_licence)]
Languages = Annotated[tuple[Annotated[str, AfterValidator(check_language)], ...], BeforeValidator(tuple_of)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
