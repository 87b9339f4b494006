"""Which licences a component may have, by those of what it was trained on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from lect.fields import COMMON_LICENCES
from lect.storage.licences import NO_DERIVATIVES, NON_COMMERCIAL, SHARE_ALIKE, conflicts_of, licence_conflicts
from lect.storage.manifest import (
    BackboneEntry,
    CardEntry,
    DataEntry,
    Manifest,
    MemberEntry,
    OriginEntry,
    PartEntry,
    TrainingEntry,
)

NC, ND, SA = NON_COMMERCIAL, NO_DERIVATIVES, SHARE_ALIKE


@pytest.mark.parametrize(
    ("component", "data", "unmet"),
    [
        ("MIT", "CC0-1.0", ()), ("MIT", "CC-BY-4.0", ()), ("", "CC-BY-NC-4.0", ()), ("MIT", "", ()),
        ("Apache-2.0", "CC-BY-NC-4.0", (NC,)), ("CC-BY-4.0", "CC-BY-NC-SA-4.0", (NC, SA)),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0", ()), ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", ()),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-3.0", ()), ("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", (SA,)),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", ()), ("CC-BY-SA-3.0", "CC-BY-SA-4.0", (SA,)),
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", (NC, SA)), ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", (SA,)),
        ("GPL-3.0-or-later", "CC-BY-SA-4.0", ()), ("GPL-3.0-only", "CC-BY-SA-3.0", (SA,)),
        ("GPL-3.0-only", "CC-BY-NC-SA-4.0", (NC, SA)),
        ("AGPL-3.0-only", "CC-BY-SA-4.0", (SA,)), ("GPL-2.0-or-later", "GPL-2.0-only", (SA,)),
        ("GPL-2.0-or-later", "GPL-2.0-or-later", ()),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", (ND,)), ("CC-BY-NC-ND-4.0", "CC-BY-NC-ND-4.0", (ND,)),
        ("MIT", "CC-BY-NC-ND-4.0", (NC, ND)),
        ("MIT", "GPL-3.0-only", (SA,)), ("GPL-3.0-only", "GPL-2.0-or-later", ()),
        ("GPL-3.0-only", "GPL-2.0-only", (SA,)),
        ("GPL-2.0-only", "GPL-2.0-only WITH Classpath-exception-2.0", ()), ("LGPL-3.0-only", "GPL-3.0-only", (SA,)),
        ("MIT", "ODbL-1.0", (SA,)), ("ODbL-1.0", "ODbL-1.0", ()), ("MIT", "CDLA-Sharing-1.0", (SA,)),
        ("MIT", "PolyForm-Noncommercial-1.0.0", (NC,)),
        # Any alternative of the data may be chosen; all those of the component have to be allowed.
        ("MIT", "CC-BY-NC-4.0 OR CC-BY-4.0", ()), ("MIT", "CC-BY-NC-4.0 OR CC-BY-SA-4.0", (NC,)),
        ("MIT OR CC-BY-NC-4.0", "CC-BY-NC-4.0", (NC,)), ("MIT AND CC-BY-NC-4.0", "CC-BY-NC-4.0", ()),
        ("MIT", "CC-BY-4.0 AND CC-BY-SA-4.0", (SA,)),
        ("CC-BY-SA-4.0 OR GPL-2.0-only", "CC-BY-SA-4.0 OR GPL-2.0-only", ()),
        # What people write in place of an expression.
        ("MIT", "CC BY-NC 4.0", (NC,)), ("MIT", "cc-by-nc-sa", (NC, SA)), ("CC-BY-SA-4.0", "CC BY-SA 4.0", ()),
        ("MIT", "Creative Commons (CC BY-ND v4.0)", (ND,)), ("MIT", "for non-commercial use", (NC,)),
        ("MIT", "research use only", (NC,)), ("MIT", "LicenseRef-research-only", (NC,)), ("MIT", "public domain", ()),
        ("MIT", "see the paper (", ()),
    ],
)  # fmt: skip
def test_what_is_kept_and_what_not(component, data, unmet):
    found = licence_conflicts(component, [("csv: train.csv", data)])
    assert tuple(each for conflict in found for each in conflict.restrictions) == unmet


def test_each_source_is_told_once():
    sources = [("a.csv", "CC-BY-NC-4.0"), ("b.csv", "CC0-1.0"), ("a.csv", "CC-BY-NC-4.0"), ("c.csv", "CC-BY-ND-4.0")]
    assert [str(conflict) for conflict in licence_conflicts("MIT", sources)] == [
        "a.csv is CC-BY-NC-4.0, which allows no commercial use; the component is MIT",
        "c.csv is CC-BY-ND-4.0, which allows nobody to share what is made of it; the component is MIT",
    ]


def test_components_made_of_others_answer_for_them():
    stated = {
        "name": "ban", "role": "lang", "licence": "MIT", "parts": (PartEntry(method="full"),),
        "backbone": BackboneEntry(name="t", identity="t", fingerprint="a" * 64, hidden_size=8),
    }  # fmt: skip
    member = MemberEntry(component="lang:jav", version="1.0.0", licence="CC-BY-SA-4.0", weights="b" * 64)
    made = Manifest(**stated, origin=OriginEntry(formula="lang:jav", members=(member,)))
    assert [conflict.source for conflict in conflicts_of(made)] == ["lang:jav"]
    data = DataEntry(source="x", rows=1, licence="CC-BY-NC-4.0")
    training = TrainingEntry(objective="o", data=(data,), steps=1, seed=0, seconds=1.0, examples=1)
    trained = Manifest(**stated, training=training, card=CardEntry(licence_reason="asked"))
    assert [conflict.source for conflict in conflicts_of(trained)] == ["x"]
    assert conflicts_of(Manifest(**stated)) == ()


@given(st.text(max_size=80), st.text("()ANDORWITH MIT-.0CBYSG", max_size=80))
def test_no_text_is_too_odd(first, second):
    licence_conflicts(first, [("x", second)])
    licence_conflicts(second, [("x", first)])


@pytest.mark.parametrize("licence", sorted(COMMON_LICENCES))
def test_what_is_known_without_the_list_is_on_it(licence):
    assert get_spdx_licensing().validate(licence).errors == []
    assert str(get_spdx_licensing().parse(licence)) == licence
