"""A recipe made concrete on a backbone: its data, what lies beneath, the component that will learn, its objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from lect.backbones import Backbone
from lect.components.assemble import attach_component, attach_stack
from lect.components.restore import build_head, build_part, restore
from lect.components.store import StoredComponent
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.dataset import Dataset
from lect.data.examples import Example
from lect.data.stored import Texts, joined
from lect.errors import DataError, RecipeError
from lect.generation.answer import check_writes, cut_texts
from lect.heads import WritingHead
from lect.literals import Progress
from lect.objectives import Objective, ObjectiveContext
from lect.recipes.schema import Recipe
from lect.specs import BuildContext, Corpus, HeadSpec, InitialiserSpec, MethodSpec, MetricSpec
from lect.training.code_switching import CodeSwitched, Switching
from lect.training.material import Material
from lect.training.task import Learner
from lect.training.terms import build_by_stack

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Lesson:
    """One component that will learn, and all that it learns from.

    Args:
        stack: keys of what the rows go through, the component that learns last.
        truncated: training texts longer than the backbone reads, by where they stand.
        weight: how much more often its rows are drawn than by their number, where several components learn.
        members: what the component stands on, where it stands on others.
        reads: a hash of each stored component and file that it reads beside its rows, by what messages call it.
    """

    recipe: Recipe
    component: Component
    stack: tuple[str, ...]
    objective: Objective
    train: tuple[Dataset, ...]
    validation: tuple[Dataset, ...]
    truncated: tuple[str, ...]
    weight: float = 1.0
    members: Mapping[str, StoredComponent] = field(default_factory=dict)
    switching: Switching | None = None
    reads: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of training rows."""
        return sum(len(data.examples) for data in self.train)

    @cached_property
    def learner(self) -> Learner:
        """The same, as the training loop takes it."""
        return Learner(
            component=self.component,
            objective=self.objective,
            train=joined([data.examples for data in self.train]),
            validation=joined([data.examples for data in self.validation]) if self.validation else (),
            settings=self.recipe.training,
            weight=self.weight,
        )


def prepare_lessons(
    materials: Sequence[Material],
    weights: Sequence[float],
    model: RoutedModel,
    encoder: RowEncoder,
    host: Host,
    device: torch.device,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Lesson, ...]:
    """Attach what is frozen, then what will learn, each as a run of its own with this seed would make it.

    Raises:
        UserError: whatever in a recipe or a stack does not fit the backbone or what stands beside it.
    """
    targets, attached = [], dict[str, Component]()
    beside: list[dict[str | None, tuple[str, ...]]] = []
    for material in materials:
        for name, member in material.members.items():
            attached[name] = attach_component(model, host, name, member)
        attach_stack(model, host, material.frozen, material.stored)
        targets.append(attach_stack(model, host, material.target, material.stored_target))
        beside.append({text: attach_stack(model, host, *one) for text, one in material.beside.items()})
    components = []
    for material in materials:
        torch.manual_seed(seed)
        component = (
            _new_component(material, host, model.backbone, attached)
            if material.trained is None
            else restore(material.recipe.key, material.trained, model.backbone, host, attached)
        )
        _check_place(material, model, component)
        model.attach(component)
        components.append(component)
    model.to(device)
    lessons = []
    prepared = zip(materials, components, targets, beside, weights, strict=True)
    for material, component, target, others, weight in prepared:
        own = material.beneath
        recipe, examples, stack = material.recipe, material.examples, (*own, component.key)
        rows = _by_stack(material)
        stacks = {text: (*others.get(text, own), component.key) for text in rows}
        head = model.head_of(stack)
        truncated: tuple[str, ...] = ()
        if isinstance(head, WritingHead):
            check_writes(model, list(stacks.values()))
            for text, through in stacks.items():
                truncated += cut_texts(encoder, through, head, rows[text])
        elif head is None or not head.windowed:
            for text, through in stacks.items():
                own_rows = rows[text]
                pairs = Texts(own_rows, "text_pair") if any(example.text_pair for example in own_rows) else None
                is_apart = pairs is not None and head is not None and head.embeds
                kept = [encoder.keep(Texts(own_rows, "text"), through, None if is_apart else pairs)]
                if is_apart:
                    kept.append(encoder.keep(Texts(own_rows, "text_pair"), through))
                cut = sorted({index for each in kept for index in each.truncated()})
                truncated += tuple(own_rows[index].origin for index in cut)
        kinds = [stored.manifest.head.kind for stored in material.stored if stored.manifest.head]
        kind = recipe.head.kind if recipe.head else next(iter(kinds), None)
        shown = material.switching.shown if material.switching else None
        context = ObjectiveContext(
            model=model,
            encoder=encoder,
            stack=stack,
            target=target,
            examples=examples,
            metric={name: provided.spec for name, provided in host.specs(MetricSpec).items()},
            head_metrics=host.spec(HeadSpec, kind).metrics if kind else (),
            seed=seed,
            folder=recipe.folder,
            progress=progress or (lambda what, share: None),
        )
        if component.head is not None:
            # What the head does not know is said now, not when its row comes up.
            component.head.answers([row for data in (*material.train, *material.validation) for row in data.examples])
        if head is not None:
            head.prepare(examples)
        contexts = {
            text: replace(context, stack=through, examples=shown(rows[text]) if shown else rows[text])
            for text, through in stacks.items()
        }
        objective = build_by_stack(recipe, host, contexts)
        if material.switching is not None:
            objective = CodeSwitched(objective, material.switching)
        lessons.append(
            Lesson(
                recipe,
                component,
                stack,
                objective,
                material.train,
                material.validation,
                truncated,
                weight,
                material.members,
                material.switching,
                material.reads,
            )
        )
    return tuple(lessons)


def _by_stack(material: Material) -> dict[str | None, Sequence[Example]]:
    """The training rows by the stack they go through; the validation rows of a stack that has no others.

    Stacks that are validated come first: those have the main score.
    """
    found: dict[str | None, Sequence[Example]] = {}
    named = dict.fromkeys(
        row.stack for part in (material.validation, material.train) for data in part for row in data.examples
    )
    if len(named) == 1:
        # As it is: a long corpus lies in a file.
        return {next(iter(named)): material.examples}
    for text in named:
        own = tuple(row for row in material.examples if row.stack == text)
        found[text] = own or tuple(row for data in material.validation for row in data.examples if row.stack == text)
    return found


def _new_component(material: Material, host: Host, backbone: Backbone, attached: Mapping[str, Component]) -> Component:
    recipe, corpus = material.recipe, Corpus(material.examples)
    context = BuildContext(
        backbone,
        corpus,
        members={name: attached[name] for name in material.members},
        initialisers={name: provided.spec for name, provided in host.specs(InitialiserSpec).items()},
        folder=recipe.folder,
    )
    for index, part in enumerate(recipe.parts):
        roles = host.spec(MethodSpec, part.method).roles
        if recipe.component.role not in roles:
            raise RecipeError(
                f'the method "{part.method}" makes no component of role "{recipe.component.role}"',
                where=f"{recipe.name}, parts[{index}].method",
                fix=f"it is for: {', '.join(roles)}",
            )
    parts = {
        part.method: build_part(host, part.method, part.config, context, f"{recipe.name}, parts[{index}]")
        for index, part in enumerate(recipe.parts)
    }
    head = None
    if recipe.head is not None:
        labels = recipe.head.labels or _labels(recipe, host, corpus.examples)
        head = build_head(host, recipe.head.kind, recipe.head.config, backbone, labels, f"{recipe.name}, head")
    return Component(recipe.key, recipe.component.role, parts, head)


def _labels(recipe: Recipe, host: Host, examples: Sequence[Example]) -> Sequence[str]:
    """The labels that the training rows give the new head."""
    assert recipe.head is not None
    if host.spec(HeadSpec, recipe.head.kind).labels is not None:
        configured = host.configured(HeadSpec, recipe.head.kind, recipe.head.config, f"{recipe.name}, head")
        with host.attributed(configured) as spec:
            assert spec.labels is not None
            return tuple(spec.labels(configured.config, examples))
    labels = sorted({example.label for example in examples if example.label is not None})
    if len(labels) < 2:
        raise DataError(
            f"the training rows have {len(labels)} label{'s' if len(labels) != 1 else ''}, and a task needs two",
            where=f"{recipe.name}, data.train",
            fix='name the column with label = "…"',
        )
    return labels


def _check_place(material: Material, model: RoutedModel, component: Component) -> None:
    recipe, beneath = material.recipe, model.components
    where = f"{recipe.name}, stack"
    if component.key in beneath:
        raise RecipeError(f'"{component.key}" would be trained on top of itself', where=where, fix="leave it out")
    others = (str(part) for stack, _ in material.beside.values() for part in stack.parts)
    for part in dict.fromkeys((*material.beneath, *others)):
        other = beneath[part]
        if other.role == "task" and component.role == "lang":
            raise RecipeError(f'a language cannot lie over the task "{part}"', where=where, fix="leave the task out")
        if other.head is not None and component.head is not None:
            raise RecipeError(f'two heads: "{part}" has one already', where=where, fix="leave one out")
        if other.tokenizer_json and component.tokenizer_json:
            raise RecipeError(f'two vocabularies: "{part}" has one already', where=where, fix="leave one out")
