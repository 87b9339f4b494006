"""What is on its way out says so in one sentence, where its own library looks for it.

    Deprecated since 0.2.0, gone in 0.4.0: use lect.train.

=====================  ================================================================================================
a function, a class    ``@typing_extensions.deprecated("Deprecated since …")``, which type checkers know
another name           an entry in ``_DEPRECATED`` of `lect`
a parameter            its line in the docstring begins with the sentence, and the function calls `warnings.warn`
a field of a file      ``Field(deprecated="Deprecated since …")``
a command, an option   its help begins with the sentence
a hook                 ``@hookspec(warn_on_impl=DeprecationWarning("Deprecated since …"))``
=====================  ================================================================================================

Whoever uses it is warned: in Python by a `DeprecationWarning`, of a file or on the command line by a line. Help, pages
of reference and ``lect recipe fields`` show the sentence. `tests/seam/test_deprecation.py` holds that it is of this
form, that what goes has gone in the version that it names, and that nothing goes otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lect.versions import order

_SENTENCE = re.compile(r"Deprecated since (\S+), gone in (\S+): (\S.*?)\.(?=\s|$)", re.DOTALL)
_KEPT = 2


@dataclass(frozen=True)
class Deprecation:
    """What the sentence says.

    Args:
        since: the version that said it first.
        until: the first version without it.
        instead: what to do, such as ``use lect.train``.
    """

    since: str
    until: str
    instead: str

    def __str__(self) -> str:
        return f"Deprecated since {self.since}, gone in {self.until}: {self.instead}."

    @property
    def remark(self) -> str:
        """As a message has it, behind the name of what is used."""
        text = str(self)
        return text[:1].lower() + text[1:-1]

    def problem(self, version: str) -> str | None:
        """What is wrong with it in this version of `lect`: it should be gone, or is not kept for long enough."""
        first, last = order(self.since), order(self.until)
        if order(version) >= last:
            return f"was to go in {self.until}, and this is {version}: take it out"
        if last.major == first.major and last.minor < first.minor + _KEPT:
            return f"is to be kept for {_KEPT} minor versions: {first.major}.{first.minor + _KEPT}.0 at the earliest"
        return None


def deprecation_of(text: str | None) -> Deprecation | None:
    """What the sentence at the beginning of a text says; None where there is none."""
    found = _SENTENCE.match(" ".join((text or "").split()))
    return Deprecation(*found.groups()) if found else None
