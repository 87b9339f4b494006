"""Training cut to two steps, for tests of what commands and Python do, not of what is learned."""

from __future__ import annotations

import re

import lect

TWO_STEPS = ("--set", "training.steps=2", "--set", "training.epochs=")


def two_steps(recipe):
    """What cuts a recipe short, as options of the command line."""
    text, changes = recipe.read_text("utf-8"), list(TWO_STEPS)
    if "nko" in recipe.parts:
        # All translations are encoded before the first step, and here there are thousands.
        changes += ["--set", "data.train.limit=500", "--set", "training.max_length=12"]
    if "translation" in recipe.parts:
        changes += ["--set", "training.batch_size=2"]
    if table := re.search(r'^name = "masked-lm"', text, re.MULTILINE):
        terms = text[: table.start()].count("[[objective.terms]]")
        changes += ["--set", f"objective.{f'terms.{terms - 1}.' if terms else ''}head_steps=2"]
    return changes


class AfterTwoSteps(lect.Callback):
    def step_finished(self, step, metrics):
        if step == 2:
            self.ask_to_stop("enough for a test")


def stop_python_after_two_steps(monkeypatch):
    """Have all that Python trains stop after two steps."""
    from lect.api import training

    train = training.train

    def stopped(*given, callbacks=(), **named):
        return train(*given, callbacks=[*callbacks, AfterTwoSteps()], **named)

    monkeypatch.setattr(training, "train", stopped)
