"""A task that is learned in the way of scikit-learn: `fit`, `predict`, clones, pipelines and cross-validation."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from lect.api.components import SavedComponent
from lect.api.model import Model, load
from lect.api.rows import Rows, examples_of, is_single
from lect.api.training import teach_task
from lect.data.examples import Example
from lect.errors import DataError
from lect.storage.library import Library

if TYPE_CHECKING:
    from typing_extensions import Self

_FILES = "_files"


class TaskClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of texts (or pairs) as an estimator of scikit-learn, which trains a task component on a backbone.

    Pickled, it carries the component's files; the backbone, and the language components of `stack`, are found by name.

    Args:
        stack: the language components that it is trained above, and predicts through.
        backbone: a name, hub id or folder.
        head: its kind, or its table, of those that have one label a row.
        layers: those of the backbone that the task acts in: ``"last 3"``, ``"all"``, or numbers from 1; by default
            the upper quarter where a text gets one answer, else all.
        training: fields of the recipe's table ``training``, such as ``{"epochs": 4}``.
        languages: of the texts.
        name: of the component.
        library: the folder that the trained component is written to, and language components are looked for first; by
            default a temporary one.
        random_state: the seed of the run; any number, or None for 0.

    Attributes:
        classes_: the labels, sorted.
        component_: what was trained.
        model_: the stack, ready to predict.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> texts, moods = ["a great day", "the grim cold"] * 8, ["good", "bad"] * 8
        >>> classifier = lect.TaskClassifier(training={"epochs": 1})
        >>> classifier.fit(texts, moods).predict_proba(["warm and bright"]).shape
        (1, 2)
        >>> cross_val_score(classifier, texts, moods, cv=2).shape
        (2,)
    """

    def __init__(
        self,
        stack: str = "",
        *,
        backbone: str = "e5-small",
        head: str | Mapping[str, Any] = "classification",
        layers: str | Sequence[int] | None = None,
        training: Mapping[str, Any] | None = None,
        languages: Sequence[str] = (),
        name: str = "classifier",
        library: str | Path | None = None,
        random_state: int | None = None,
    ) -> None:
        self.stack = stack
        self.backbone = backbone
        self.head = head
        self.layers = layers
        self.training = training
        self.languages = languages
        self.name = name
        self.library = library
        self.random_state = random_state

    def fit(self, X: Rows, y: Any) -> Self:  # noqa: N803 - as scikit-learn calls it
        """Train on texts and their labels.

        Args:
            X: texts, pairs, mappings or a table; of a table with one column this is the text.
            y: a label for each: texts, numbers or booleans.

        Raises:
            DataError: rows and labels are not as many, a row is none, or all have one label.
        """
        rows, labels = _rows(X), np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels.ravel()
        if labels.ndim != 1 or len(labels) != len(rows):
            raise DataError(f"there are {len(rows)} rows and labels of the shape {labels.shape}", fix="give each one")
        check_classification_targets(labels)
        classes, places = np.unique(labels, return_inverse=True)
        names = [str(each) for each in classes.tolist()]
        if len(names) < 2:
            raise DataError(f"the rows have {len(names)} label, and a task needs two", fix="give rows of another, too")
        if len(set(names)) < len(names):
            raise DataError("two labels are written alike", fix="give them other names")
        self._close()
        self._temporary = tempfile.TemporaryDirectory(prefix="lect-")
        head = {"kind": self.head} if isinstance(self.head, str) else dict(self.head)
        training = {"seed": int(self.random_state or 0), **(self.training or {})}
        self.component_ = teach_task(
            [replace(row, label=names[place]) for row, place in zip(rows, places.tolist(), strict=True)],
            self.name,
            head={"labels": names, **head},
            languages=self.languages,
            stack=self.stack,
            layers=self.layers,
            backbone=self.backbone,
            training=training,
            library=self._library(),
            runs=Path(self._temporary.name) / "runs",
        )
        self.classes_ = classes
        self.model_ = self._opened()
        return self

    def predict(self, X: Rows) -> NDArray[Any]:  # noqa: N803
        """The label of each row, *Shape:* ``(rows,)``, as labels were given to `fit`."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Rows) -> NDArray[np.float64]:  # noqa: N803
        """The probability of each label, *Shape:* ``(rows, labels)``, in the order of `classes_`.

        Raises:
            NotFittedError: it has not been trained.
        """
        check_is_fitted(self)
        rows = _rows(X)
        if not rows:
            return np.empty((0, len(self.classes_)))
        names = [str(each) for each in self.classes_.tolist()]
        found = self.model_.predict(rows)
        return np.array([[each.probabilities[name] for name in names] for each in found], dtype=np.float64)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.non_deterministic = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in ("model_", "component_", "_temporary"):
            state.pop(name, None)
        if self.__sklearn_is_fitted__():
            folder = self.component_.folder
            state[_FILES] = {
                str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state.pop(_FILES, None)
        super().__setstate__(state)
        if files is None:
            return
        self._temporary = tempfile.TemporaryDirectory(prefix="lect-")
        folder = Path(self._temporary.name) / "components" / "task" / self.name
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self.component_ = SavedComponent.read(folder)
        self.model_ = self._opened()

    def _library(self) -> Library:
        """Where the component is written to, with what lies beneath it."""
        first = Path(self._temporary.name) / "components" if self.library is None else Path(self.library)
        return Library((first, *Library.default().folders))

    def _opened(self) -> Model:
        stack = " + ".join(filter(None, (str(self.stack), self.component_.key)))
        own = self.component_.folder.absolute().parent.parent
        return load(stack, backbone=self.backbone, library=Library((own, *self._library().folders)))

    def _close(self) -> None:
        if hasattr(self, "model_"):
            self.model_.close()
            self._temporary.cleanup()


def _rows(given: Any) -> list[Example]:
    if is_single(given):
        raise DataError("several rows are due, not one", fix="give a list of texts")
    shape: tuple[int, ...] = getattr(given, "shape", ())
    if len(shape) == 2 and shape[1] == 1:
        # A column, as the steps of a pipeline hand it on.
        given = np.asarray(given, dtype=object).ravel()
    return list(examples_of(given))
