"""The training loop alone, without a recipe: components that scale one site, drawn to a constant."""

from __future__ import annotations

import torch
from torch import nn

from lect import Example, Part
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.objectives import Batch, Loss, Objective
from lect.recipes.training import LearningTable, RunTable
from lect.testing.backbones import tiny_backbone
from lect.training.callbacks.base import Callbacks
from lect.training.loop import TrainingLoop
from lect.training.optimisation import Precision
from lect.training.setup import TrainedComponent, TrainingSetup

TEXTS = ("one of a kind", "the old house on the way", "short", "bright and happy", "two", "a dark and cold day", "home")
FLOAT32 = Precision("float32", "no", "a test")


class Scaled(Part):
    """One scale a feature, after the last layer; its penalty draws it to nothing."""

    def __init__(self, site, features, draw):
        super().__init__()
        self.site, self.draw = site, draw
        self.scale = nn.Parameter(torch.ones(1, features))
        self.steps = []

    def sites(self):
        return (self.site,)

    def at(self, site, inner, inputs, context):
        return inner(inputs) * self.scale

    def penalty(self):
        return self.draw * self.scale.pow(2).sum() if self.draw else None

    def after_step(self, step, total_steps):
        self.steps.append((step, total_steps))


class Aimed(Objective):
    """The mean squared distance of sentence vectors to a constant."""

    main_score = "nearness"

    def __init__(self, encoder, key, aim, factor=1.0):
        self.encoder, self.key, self.aim, self.factor = encoder, key, aim, factor

    def lengths(self, examples):
        return [len(example.text) for example in examples]

    def batch(self, examples, device):
        rows = self.encoder.encode([example.text for example in examples], [(self.key,)] * len(examples))
        return Batch(rows, [example.text for example in examples])

    def loss(self, model, hidden_states, batch):
        assert hidden_states.shape[:2] == batch.rows.input_ids.shape
        vectors = model.pool(hidden_states, batch.rows.attention_mask)
        distance = (vectors - self.aim).pow(2).mean()
        return Loss(self.factor * distance, {"distance": float(distance.detach())})

    def scores(self, model, examples):
        with torch.no_grad():
            rows = self.batch(examples, "cpu")
            hidden = model(rows.rows)
            distance = self.loss(model, hidden, rows).terms["distance"]
        return {"nearness": 1 / (1 + distance)}


def setup_of(folder, learning, run, **named):
    """A setup with one component for each (name, texts, aim, penalty, factor, settings)."""
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    encoder = RowEncoder(model)
    site = model.backbone.anatomy.layers[-1].feed_forward.output
    components = []
    for name, texts, aim, draw, factor, settings in learning:
        component = Component(f"lang:{name}", "lang", {"toy": Scaled(site, model.backbone.hidden_size, draw)})
        model.attach(component)
        objective = Aimed(encoder, component.key, aim, factor)
        rows = [Example(text) for text in texts]
        components.append(
            TrainedComponent(
                component=component,
                objective=objective,
                train=rows,
                validation=rows[:2],
                settings=LearningTable(**settings),
            )
        )
    return TrainingSetup(
        model=model,
        encoder=encoder,
        components=tuple(components),
        settings=RunTable(**run),
        precision=FLOAT32,
        checkpoints=folder,
        legacy_hash="identity",
        **named,
    )


def fit(setup, callback, resume=None, stop=lambda: False):
    """Train what is set up, told to one callback; the results."""
    return TrainingLoop(setup, Callbacks([callback], setup.processes.is_main), stop).run(resume)
