"""Several objectives in one: the weighted sum of what each makes of its own rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lect import Example, MethodSpec, MetricSpec, ObjectiveSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import DataError, PluginError, RecipeError
from lect.host import Host
from lect.objectives import ObjectiveContext, share_of_batch
from lect.recipes.recipe import recipe_of
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect.toml import parse_toml
from lect.training.combined import CombinedObjective, Term
from lect.training.joint import JointLosses
from lect.training.terms import build_by_stack, build_objective, needed_fields

PARALLEL = tuple(
    Example(f"the old house on the {word}", translation=f"at {word}") for word in ("water", "day", "way", "year")
)
RAW = tuple(Example(f"many more words of some {word}") for word in ("place", "city"))
CPU = torch.device("cpu")
MASKED = {"name": "masked-lm", "weight": 0.5, "masked": 0.5, "head_steps": 2}
TRANSLATION = {"name": "translation-lm", "weight": 0.25, "masked": 0.5, "head_steps": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))


def recipe(*terms, **more):
    objective = {"name": "combined", "terms": list(terms), **more}
    return recipe_of(
        {
            "component": {"name": "x", "role": "lang"},
            "parts": [{"method": "full"}],
            "objective": objective,
            "data": {"train": {"reader": "text", "path": "x.txt"}},
        }
    )


def has_translation(example):
    return example.translation is not None


class World:
    def __init__(self, examples, *terms):
        self.host = Host.load(report=lambda line: None)
        backbone = tiny_backbone("xlm-roberta")
        spec = self.host.spec(MethodSpec, "full")
        part = spec.build(spec.config(), BuildContext(backbone, Corpus(examples)))
        self.model = RoutedModel(backbone)
        self.model.attach(Component("lang:x", "lang", {"full": part}))
        self.encoder = RowEncoder(self.model)
        metric = {name: provided.spec for name, provided in self.host.specs(MetricSpec).items()}
        self.context = ObjectiveContext(self.model, self.encoder, ("lang:x",), (), examples, metric)
        self.objective = build_objective(recipe(*terms), self.host, self.context)
        self.part = part

    def alone(self, term, examples):
        """The objective of a term by itself."""
        values = recipe(MASKED).model_dump(exclude_none=True)
        values["objective"] = {name: value for name, value in term.items() if name != "weight"}
        return build_objective(recipe_of(values), self.host, replace(self.context, examples=examples))

    def loss(self, objective, examples, own=None):
        torch.manual_seed(0)
        batch = objective.batch(examples, CPU) if own is None else share_of_batch(objective, examples, own, CPU)
        return JointLosses(self.model, self.encoder, [objective])([batch])[0], batch

    def gradients(self, total):
        self.model.zero_grad()
        total.backward()
        return {name: p.grad.clone() for name, p in self.part.named_parameters() if p.grad is not None}


def test_the_loss_and_its_gradients_are_the_weighted_sum():
    alignment = {"name": "alignment", "weight": 2.0}
    world = World(PARALLEL, alignment, MASKED)
    together, batch = world.loss(world.objective, PARALLEL)
    found = world.gradients(together.total)
    own = [world.loss(world.alone(term, PARALLEL), PARALLEL)[0] for term in (alignment, MASKED)]
    torch.testing.assert_close(together.total, 2.0 * own[0].total + 0.5 * own[1].total)
    assert together.terms["masked-lm"] == pytest.approx(float(own[1].total.detach()), rel=1e-4)
    assert together.terms["alignment/distance"] == pytest.approx(float(own[0].terms["distance"]), rel=1e-4)
    expected = world.gradients(2.0 * own[0].total + 0.5 * own[1].total)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)
    # Plain and masked rows side by side.
    assert batch.rows.size == 2 * len(PARALLEL)


def test_rows_without_a_translation_take_part_where_none_is_needed():
    rows = (*PARALLEL, *RAW)
    world = World(rows, {"name": "alignment"}, MASKED, TRANSLATION)
    _, batch = world.loss(world.objective, rows)
    assert [one.batch.rows.size for one in batch.targets] == [4, 6, 4]
    assert [one.share for one in batch.targets] == [4 / 6, 1.0, 4 / 6]
    loss, raw = world.loss(world.objective, RAW)
    assert [one.term.name for one in raw.targets] == ["masked-lm"]
    assert set(loss.terms) == {"masked-lm"}
    lengths = world.objective.lengths(rows)
    plain = world.alone({"name": "alignment"}, PARALLEL).lengths(PARALLEL)
    assert all(whole > 2 * short for whole, short in zip(lengths, plain, strict=False))
    assert lengths[-1] == world.alone(MASKED, rows).lengths(RAW)[-1]


def test_rows_that_are_the_same_go_through_the_model_once():
    alignment = {"name": "alignment", "contrast": 1.0}
    world = World(PARALLEL, alignment)
    alone = world.alone(alignment, PARALLEL)
    terms = [Term(name, 1.0, alone, has_translation) for name in ("one", "other")]
    loss, batch = world.loss(CombinedObjective(terms, world.encoder), PARALLEL)
    assert batch.rows.size == len(PARALLEL)
    torch.testing.assert_close(loss.total, 2 * world.loss(alone, PARALLEL)[0].total)


def test_the_shares_of_several_processes_make_the_whole():
    rows = (*PARALLEL, *RAW)
    alignment = {"name": "alignment", "contrast": 1.0}
    world = World(PARALLEL, alignment)
    term = Term("alignment", 1.0, world.alone(alignment, PARALLEL), has_translation)
    objective = CombinedObjective([term], world.encoder)
    whole, _ = world.loss(objective, rows)
    parts = [world.loss(objective, rows, own)[0].total * len(own) / 6 for own in ([0, 1, 2, 4], [3, 5])]
    torch.testing.assert_close(sum(parts), whole.total)


def test_the_first_term_has_the_main_score():
    world = World(PARALLEL, MASKED, {"name": "alignment"})
    scores = world.objective.scores(world.model, PARALLEL)
    assert world.objective.main_score == "likelihood"
    assert {"likelihood", "alignment/recall@1"} <= scores.keys()
    assert scores["likelihood"] == world.alone(MASKED, PARALLEL).scores(world.model, PARALLEL)["likelihood"]
    assert world.objective.scores(world.model, RAW).keys() == {"likelihood", "accuracy", "loss"}


def test_rows_and_terms_that_find_no_partner_are_refused():
    with pytest.raises(DataError, match="no field that any objective learns from"):
        World((*PARALLEL, *RAW), {"name": "alignment"}, TRANSLATION)
    with pytest.raises(DataError, match=r'terms\[1\].*no training row can be learned from by "alignment"'):
        World(RAW, MASKED, {"name": "alignment"})
    host = Host.load(report=lambda line: None)
    assert needed_fields(recipe({"name": "alignment"}, TRANSLATION), host) == (("translation",), ("translation",))
    assert needed_fields(recipe({"name": "alignment"}, MASKED), host) == ((), ("translation",))


@pytest.mark.parametrize(
    ("terms", "more", "message"),
    [
        ([], {}, "combines nothing"),
        ([MASKED, MASKED], {}, 'the objective "masked-lm" is there twice'),
        ([MASKED], {"distance": 1.0}, '"distance" is no field of a combined objective'),
        ([MASKED], {"name": "alignment"}, 'set name = "combined"'),
        ([{"name": "alignment", "weight": 0.0}], {}, "weight: input should be greater than 0"),
    ],
)
def test_mistakes_in_a_recipe(terms, more, message):
    with pytest.raises(RecipeError) as caught:
        recipe(*terms, **more)
    assert message in str(caught.value)


def test_a_combined_recipe_reads_back_equal():
    made = recipe({"name": "alignment", "weight": 2.0, "contrast": 0.3}, MASKED)
    assert made.objective.title == "alignment + masked-lm"
    assert recipe_of(parse_toml(made.to_toml(), RecipeError, where="text")) == made


def test_rows_through_several_stacks_make_the_mean_over_all_rows():
    world = World(PARALLEL, {"name": "alignment"})
    spec = world.host.spec(MethodSpec, "full")
    other = spec.build(spec.config(), BuildContext(world.model.backbone, Corpus(PARALLEL)))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    world.model.attach(Component("lang:other", "lang", {"full": other}))
    base = ObjectiveContext(world.model, world.encoder, ("lang:x",), (), PARALLEL, {})
    rows = tuple(replace(row, stack="lang:other" if index % 4 == 0 else None) for index, row in enumerate(PARALLEL))
    contexts = {None: base, "lang:other": replace(base, stack=("lang:other", "lang:x"))}
    plain = recipe_of(
        {**recipe(MASKED).model_dump(exclude_none=True), "objective": {"name": "alignment", "contrast": 0.0}}
    )
    objective = build_by_stack(plain, world.host, contexts)
    whole, batch = world.loss(objective, rows)
    assert {group.components: len(group.rows) for group in batch.rows.routes.groups} == {
        ("lang:x",): 3,
        ("lang:other", "lang:x"): 1,
    }
    through = [build_objective(plain, world.host, context) for context in contexts.values()]
    own = [world.loss(one, part)[0].total for one, part in zip(through, (rows[1:], rows[:1]), strict=True)]
    torch.testing.assert_close(whole.total, (3 * own[0] + own[1]) / 4)
    assert set(whole.terms) >= {"bare", "lang:other", "lang:other/distance"}


def test_what_a_plugin_builds_must_be_an_objective(monkeypatch):
    world = World(PARALLEL, MASKED)
    found = world.host.provided(ObjectiveSpec, "masked-lm")
    other = replace(found, spec=replace(found.spec, build=lambda config, context: {}))
    monkeypatch.setattr(world.host, "provided", lambda kind, name: other)
    with pytest.raises(PluginError, match='"masked-lm" is built as a dict, which is no lect'):
        world.alone(MASKED, PARALLEL)
