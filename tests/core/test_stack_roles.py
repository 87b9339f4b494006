"""What may stand together in a stack."""

from __future__ import annotations

from typing import Any

import pytest

from lect.errors import StackError
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest, PartEntry
from lect.storage.nesting import Member, check_roles

OWN, OTHER = "a" * 64, "b" * 64


def manifest(role: Any, name: str, *, fingerprint: str = OWN, **more: Any) -> Manifest:
    head = HeadEntry(kind="classification", labels=("no", "yes")) if role == "task" else None
    backbone = BackboneEntry(name="tiny", identity="tiny", fingerprint=fingerprint, hidden_size=8)
    values = {"head": head, "parts": (PartEntry(method="bottleneck"),), "backbone": backbone, **more}
    return Manifest(role=role, name=name, **values)


LANG = ("lang:jav", manifest("lang", "jav"))
TASK = ("task:topic", manifest("task", "topic"))


def refusal(*members: tuple[str, Manifest], fingerprint: str | None = None) -> str:
    with pytest.raises(StackError) as caught:
        check_roles([Member(*each) for each in members], fingerprint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_belongs_together_passes() -> None:
    headless = ("task:adapt", manifest("task", "adapt", head=None))
    another = ("./sun", manifest("lang", "sun", own_tokenizer=True))
    for members in ([], [LANG], [TASK], [LANG, TASK], [LANG, another, headless, TASK]):
        check_roles([Member(*each) for each in members], OWN)
        check_roles([Member(*each) for each in members])


def test_a_language_over_a_task() -> None:
    message = refusal(LANG, TASK, ("lang:sun", manifest("lang", "sun")))
    assert message == (
        'stack "lang:jav + task:topic + lang:sun": the language part "lang:sun" stands after the task part '
        '"task:topic", but a task builds on languages; write "lang:jav + lang:sun + task:topic"'
    )


def test_two_heads() -> None:
    message = refusal(LANG, TASK, ("task:mood", manifest("task", "mood")))
    assert 'it has two heads, of "task:topic" and of "task:mood"' in message
    assert 'write "lang:jav + task:topic" or "lang:jav + task:mood"' in message


def test_two_vocabularies() -> None:
    first = ("lang:nqo", manifest("lang", "nqo", own_tokenizer=True))
    second = ("lang:chr", manifest("lang", "chr", own_tokenizer=True))
    assert 'it has two vocabularies, of "lang:nqo" and of "lang:chr"; write "lang:nqo" or "lang:chr"' in refusal(
        first, second
    )


def test_the_same_component_twice() -> None:
    assert 'the component lang:jav 1.0.0 stands in it twice; write "lang:jav"' in refusal(LANG, LANG)
    assert 'twice ("lang:jav" and "./elsewhere")' in refusal(LANG, ("./elsewhere", LANG[1]))


def test_components_of_different_backbones() -> None:
    message = refusal(LANG, ("task:topic", manifest("task", "topic", fingerprint=OTHER)))
    assert OWN in message
    assert OTHER in message
    assert '"tiny"' in message


def test_another_backbone_than_the_loaded_one() -> None:
    message = refusal(LANG, fingerprint=OTHER)
    assert OWN in message
    assert OTHER in message
    assert message.endswith('load "tiny"')


def test_a_folder_under_the_wrong_role() -> None:
    message = refusal(("lang:topic", TASK[1]))
    assert '"lang:topic" is a component of role "task"' in message
    assert 'write "task:topic"' in message
