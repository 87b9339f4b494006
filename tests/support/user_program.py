"""A program as a user writes it, checked by mypy and pyright in their strict modes: never run, but by its types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import lect

if TYPE_CHECKING:
    from typing_extensions import assert_type


class StopEarly(lect.Callback):
    """Stops a run where its loss is low."""

    def __init__(self, enough: float) -> None:
        self.enough = enough

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """Ask for the end."""
        if metrics["loss"] < self.enough:
            self.ask_to_stop("the loss is low enough")


def lines() -> Iterator[str]:
    """Texts one by one."""
    yield from ("warm and bright", "the grim cold")


def trained(pairs: Sequence[tuple[str, str]], rows: Sequence[lect.Example]) -> lect.Composition:
    """A stack that was taught from memory."""
    language = lect.teach_language(pairs, "jv", training={"epochs": 1}, callbacks=[StopEarly(0.1)])
    lect.teach_language(pairs, "jv", resum=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lect.teach_task(rows, "mood", callbacks=StopEarly)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    recipe = lect.Recipe.from_toml("recipe.toml", ["training.seed=1"])
    task = lect.train(recipe, rows, label="mood", resume=True)
    assert_type(recipe.to_toml(), str)
    assert_type(task.manifest.languages, tuple[str, ...])
    return lect.stack(f"{language} + {task}")


def main() -> None:
    """Use it."""
    rows = lect.read("reviews.csv", label="mood")
    stack = 0.7 * lect.lang("jav") + lect.task("sentiment")
    with lect.load(stack, library="components", device="cpu") as model:
        assert_type(model.predict("a text"), lect.Prediction)
        assert_type(model.predict({"tweet": "a text"}, text="tweet"), lect.Prediction)
        assert_type(model.predict(["a text", "another"], stacks=[stack, "task:sentiment"]), lect.Predictions)
        assert_type(model.predict([("a text", "its pair")]), lect.Predictions)
        assert_type(model.predict(rows), lect.Predictions)
        assert_type(model.predict(lines()), Iterator[lect.Prediction])
        assert_type(model.embed(["a text"], normalize=True), NDArray[np.float32])
        assert_type(model.embed(lines()), Iterator[NDArray[np.float32]])
        assert_type(model.evaluate(rows).main, str)
        assert_type(model.explain("a text"), lect.Explanation)
        assert_type([found.label for found in model.predict(["a text"])], list[str])
        model.predict(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert_type(lect.evaluate_matrix("matrix.toml"), lect.MatrixReport)
    assert_type(lect.export("lang:jav + task:sentiment", "graph", to="onnx").outputs, tuple[str, ...])
    assert_type(lect.export("lang:jav", "exported", to="peft").notices, tuple[str, ...])
    assert_type(lect.audit({"stack": "task:sentiment"}), lect.AuditReport)
    assert_type([component.key for component in lect.components()], list[str])
    lect.search("sentiment", langauge="jv")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    print(trained([("ora", "tidak")], rows), lect.merge("task:tuned", "merged").folder)
