"""What a recipe names, built onto a backbone: what lies beneath, the component that is trained, and its objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lect.backbones import Backbone
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.data.stored import Texts
from lect.errors import DataError, RecipeError
from lect.generation.predictions import check_generates, truncated_texts
from lect.heads import GenerationHead, Head
from lect.literals import Progress, Use, no_progress
from lect.objectives import Objective, ObjectiveContext, Vectors
from lect.recipes.recipe import Recipe
from lect.specs import BuildContext, Corpus, HeadSpec, InitialiserSpec, MethodSpec, MetricSpec
from lect.storage.assemble import attach_component, attach_stack
from lect.storage.gates import gated_terms
from lect.storage.restore import build_head, build_part, restore
from lect.training.code_switching import CodeSwitched
from lect.training.inputs import RecipeInputs
from lect.training.parts import part_entries
from lect.training.setup import TrainedComponent
from lect.training.terms import build_by_stack

if TYPE_CHECKING:
    from lect.host import Host


def build_components(
    inputs: Sequence[RecipeInputs],
    *,
    model: RoutedModel,
    encoder: RowEncoder,
    host: Host,
    device: torch.device,
    seed: int,
    weights: Sequence[float] | None = None,
    progress: Progress = no_progress,
    vectors: Vectors | None = None,
) -> tuple[TrainedComponent, ...]:
    """Attach what is frozen, then what is trained, each as a run of its own with this seed would make it.

    Args:
        weights: how much more often a component's rows are drawn than by their number.
        vectors: as `ObjectiveContext` has it.

    Raises:
        UserError: whatever in a recipe or a stack does not fit the backbone or what stands beside it.
    """
    members = dict[str, Component]()
    targets, beneath, beside = [], list[tuple[str, ...]](), list[dict[str | None, tuple[str, ...]]]()
    for one in inputs:
        for name, member in one.members.items():
            members[name] = attach_component(model, host, name, member)
        # What a task will stand on when it is used; a language is trained on others as they are.
        use = host.spec(HeadSpec, one.recipe.head.kind).use if one.recipe.head else None
        attach_stack(model, host, one.frozen, one.stored, use)
        beneath.append(_acting(one, use))
        targets.append(attach_stack(model, host, one.target, one.stored_target, "retrieval"))
        beside.append({text: attach_stack(model, host, *stack, use) for text, stack in one.beside.items()})
    components = []
    for one, own, others in zip(inputs, beneath, beside, strict=True):
        torch.manual_seed(seed)
        component = (
            _new_component(one, host, model.backbone, members)
            if one.trained is None
            else restore(one.recipe.key, one.trained, model.backbone, host, members)
        )
        _check_place(one, model, component, [*own, *(key for keys in others.values() for key in keys)])
        model.attach(component)
        components.append(component)
    model.to(device)
    built = []
    weights = weights or [1.0] * len(inputs)
    for one, component, target, own, others, weight in zip(
        inputs, components, targets, beneath, beside, weights, strict=True
    ):
        rows = _by_stack(one)
        stack = (*own, component.key)
        stacks = {text: (*others.get(text, own), component.key) for text in rows}
        truncated = _truncated(model, encoder, model.head_of(stack), rows, stacks)
        context = ObjectiveContext(
            model=model,
            encoder=encoder,
            stack=stack,
            target=target,
            examples=one.examples,
            metric={name: provided.spec for name, provided in host.specs(MetricSpec).items()},
            head_metrics=_head_metrics(one, host),
            seed=seed,
            folder=one.recipe.folder,
            progress=progress,
            vectors=vectors,
        )
        built.append(
            TrainedComponent(
                component=component,
                objective=_objective(one, host, component, context, rows, stacks),
                train=one.examples,
                validation=one.held_out,
                settings=one.recipe.training,
                weight=weight,
                stack=stack,
                truncated=truncated,
            )
        )
    return tuple(built)


def _acting(inputs: RecipeInputs, use: Use | None) -> tuple[str, ...]:
    """The keys beneath a component, at the strengths at which they act."""
    _, gated = gated_terms(inputs.frozen, inputs.stored, use)
    acting = {each.term: each.acting for each in gated}
    return tuple(str(term) for text in inputs.beneath if (term := acting.get(text, text)) is not None)


_Rows = Mapping[str | None, Sequence[Example]]
_Stacks = Mapping[str | None, tuple[str, ...]]


def _truncated(
    model: RoutedModel, encoder: RowEncoder, head: Head | None, rows: _Rows, stacks: _Stacks
) -> tuple[str, ...]:
    """Where training texts stand that are longer than the backbone reads."""
    truncated: tuple[str, ...] = ()
    if isinstance(head, GenerationHead):
        check_generates(model, list(stacks.values()))
        for text, stack in stacks.items():
            truncated += truncated_texts(encoder, stack, head, rows[text])
    elif head is None or not head.windowed:
        for text, stack in stacks.items():
            own = rows[text]
            pairs = Texts(own, "text_pair") if any(example.text_pair for example in own) else None
            is_apart = pairs is not None and head is not None and head.embeds
            kept = [encoder.keep(Texts(own, "text"), stack, None if is_apart else pairs)]
            if is_apart:
                kept.append(encoder.keep(Texts(own, "text_pair"), stack))
            cut = sorted({index for each in kept for index in each.truncated()})
            truncated += tuple(own[index].origin for index in cut)
    return truncated


def _objective(
    inputs: RecipeInputs,
    host: Host,
    component: Component,
    context: ObjectiveContext,
    rows: _Rows,
    stacks: _Stacks,
) -> Objective:
    """The component's objective, once the heads have seen the rows."""
    if component.head is not None:
        # What the head does not know is said now, not when its row comes up.
        component.head.references([row for data in (*inputs.train, *inputs.validation) for row in data.examples])
    head = context.model.head_of(context.stack)
    if head is not None:
        head.prepare(context.examples)
    switching = inputs.switching
    contexts = {
        text: replace(context, stack=stack, examples=switching.shown(rows[text]) if switching else rows[text])
        for text, stack in stacks.items()
    }
    objective = build_by_stack(inputs.recipe, host, contexts)
    return CodeSwitched(objective, switching) if switching else objective


def _head_metrics(inputs: RecipeInputs, host: Host) -> tuple[str, ...]:
    kinds = [stored.manifest.head.kind for stored in inputs.stored if stored.manifest.head]
    kind = inputs.recipe.head.kind if inputs.recipe.head else next(iter(kinds), None)
    return host.spec(HeadSpec, kind).metrics if kind else ()


def _by_stack(inputs: RecipeInputs) -> dict[str | None, Sequence[Example]]:
    """The training rows by the stack they go through; the validation rows of a stack that has no others.

    Stacks that are validated come first: those have the main score.
    """
    found: dict[str | None, Sequence[Example]] = {}
    named = dict.fromkeys(
        row.stack for part in (inputs.validation, inputs.train) for data in part for row in data.examples
    )
    if len(named) == 1:
        # As it is: a long corpus lies in a file.
        return {next(iter(named)): inputs.examples}
    for text in named:
        own = tuple(row for row in inputs.examples if row.stack == text)
        found[text] = own or tuple(row for data in inputs.validation for row in data.examples if row.stack == text)
    return found


def _new_component(
    inputs: RecipeInputs, host: Host, backbone: Backbone, attached: Mapping[str, Component]
) -> Component:
    recipe, corpus = inputs.recipe, Corpus(inputs.examples)
    context = BuildContext(
        backbone,
        corpus,
        members={name: attached[name] for name in inputs.members},
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
        for index, part in enumerate(part_entries(recipe, host, backbone))
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


def _check_place(inputs: RecipeInputs, model: RoutedModel, component: Component, keys: Sequence[str]) -> None:
    recipe, beneath = inputs.recipe, model.components
    where = f"{recipe.name}, stack"
    if component.key in beneath:
        raise RecipeError(f'"{component.key}" would be trained on top of itself', where=where, fix="leave it out")
    for part in dict.fromkeys(keys):
        other = beneath[part]
        if other.role == "task" and component.role == "lang":
            raise RecipeError(f'a language cannot lie over the task "{part}"', where=where, fix="leave the task out")
        if other.head is not None and component.head is not None:
            raise RecipeError(f'two heads: "{part}" has one already', where=where, fix="leave one out")
        if other.tokenizer_json and component.tokenizer_json:
            raise RecipeError(f'two vocabularies: "{part}" has one already', where=where, fix="leave one out")
