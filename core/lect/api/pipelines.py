"""A model with its stacks called as a pipeline of `transformers`: their tasks, their arguments, their records.

They are no `transformers.Pipeline`: that one gives its model a row at a time, wants the model to be one of its own
classes, and has lost question answering and translation in version 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, repeat, tee
from typing import Any, ClassVar

from lect.api.opened import OpenStacks, Stacks
from lect.api.rows import examples_of
from lect.data.examples import Example
from lect.errors import DataError, StackError, UserError, nearest
from lect.heads import Prediction
from lect.storage.card import hub_task

_WITHOUT_EFFECT = ("batch_size", "num_workers", "padding", "truncation")
"""What pipelines take and this one needs not be told: rows go through in batches of like length, cut where they are
longer than the backbone reads."""
_ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
_STRATEGIES = ("none", "simple", "first", "average", "max")


class Pipeline:
    """What `lect.Model.as_pipeline` gives.

    It is called with a text, a pair or question as a dictionary, a list of these, or any iterable of them, such as a
    data set or a generator; of the last it gives an iterator, which reads no further than it is asked for. ``stacks=``
    names the rows' stacks, as `lect.Model.predict` takes them.

    Attributes:
        task: as `transformers` calls it.
    """

    task: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, opened: OpenStacks, options: Mapping[str, Any]) -> None:
        self._opened = opened
        self._defaults = self._checked(options)

    def __call__(self, inputs: Any, *, stacks: Stacks = None, **options: Any) -> Any:
        """The records of one row, a list of them for a list, an iterator for any other iterable.

        Raises:
            UserError: an option is unknown, or a row is none.
        """
        given = self._checked(options)
        said = {**self._defaults, **given}
        if isinstance(inputs, str | Mapping | Example):
            (found,) = self._records(iter((inputs,)), stacks, said)
            return self._single(found, inputs, given)
        if isinstance(inputs, list | tuple):
            return [self._listed(found) for found in self._records(iter(inputs), stacks, said)]
        return self._records(_each(inputs), stacks, said)

    def __repr__(self) -> str:
        return f"<pipeline {self.task} of {str(self._opened.own.stack) or 'the bare backbone'}>"

    # ------------------------------------------------------------------------------------------ what tasks do otherwise

    def _examples(self, rows: Iterator[Any], options: Mapping[str, Any]) -> Iterator[Example]:
        return examples_of(rows)

    def _record(self, prediction: Prediction, example: Example, options: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    def _single(self, found: Any, inputs: Any, given: Mapping[str, Any]) -> Any:
        return found

    def _listed(self, found: Any) -> Any:
        return found

    def _records(self, rows: Iterator[Any], stacks: Stacks, options: Mapping[str, Any]) -> Iterator[Any]:
        examples, again = tee(self._examples(rows, options))
        predictions = self._opened.engine.predictions(self._opened.routed(examples, stacks, {}))
        return (self._record(*pair, options) for pair in zip(predictions, again, strict=False))

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        known = (*self.options, *_WITHOUT_EFFECT)
        for name in options:
            if name not in known:
                raise UserError(f'"{self.task}" has no option "{name}" here', fix=nearest(name, known))
        return dict(options)


class TextClassification(Pipeline):
    """A label with its probability for a text or a pair; with ``top_k`` the best few, with ``top_k=None`` all."""

    task = "text-classification"
    options = ("top_k",)

    def _record(self, prediction: Prediction, example: Example, options: Mapping[str, Any]) -> Any:
        if prediction.scores:
            ranked = sorted(prediction.scores.items(), key=lambda each: -each[1])
            records = [{"label": label, "score": score} for label, score in ranked]
        else:
            # As of a regression: the number itself.
            records = [{"label": "LABEL_0", "score": prediction.answer}]
        if "top_k" not in options:
            return records[0]
        top = options["top_k"]
        return records if top is None else records[:top]

    def _single(self, found: Any, inputs: Any, given: Mapping[str, Any]) -> Any:
        return [found] if isinstance(inputs, str) and "top_k" not in given else found


class TokenClassification(Pipeline):
    """The words of a text that have a tag, or with an ``aggregation_strategy`` the entities that the head finds."""

    task = "token-classification"
    options = ("aggregation_strategy", "ignore_labels")

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        found = super()._checked(options)
        strategy = str(getattr(found.get("aggregation_strategy"), "value", found.get("aggregation_strategy") or "none"))
        if strategy not in _STRATEGIES:
            raise UserError(f'there is no aggregation strategy "{strategy}"', fix=nearest(strategy, _STRATEGIES))
        return found | ({"aggregation_strategy": strategy} if "aggregation_strategy" in found else {})

    def _record(self, prediction: Prediction, example: Example, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        ignored = set(options.get("ignore_labels", ["O"]))
        if options.get("aggregation_strategy", "none") == "none":
            return [{"entity": tag, **rest} for tag, rest in _words(prediction, example) if tag not in ignored]
        if "entities" in prediction.record:
            return [
                {
                    "entity_group": each["type"],
                    "score": each["score"],
                    "word": each["text"],
                    "start": each["start"],
                    "end": each["end"],
                }
                for each in prediction.record["entities"]
                if each["type"] not in ignored
            ]
        grouped = groupby(_words(prediction, example), key=lambda each: each[0])
        return [_joined(tag, [rest for _, rest in own], example) for tag, own in grouped if tag not in ignored]


class QuestionAnswering(Pipeline):
    """The stretch of a context that answers a question.

    Where the head may say that there is none, the answer is ``""``; ``handle_impossible_answer=False`` takes the best
    stretch all the same.
    """

    task = "question-answering"
    options = ("top_k", "handle_impossible_answer")

    def __call__(self, inputs: Any = None, *, question: Any = None, context: Any = None, **options: Any) -> Any:
        """As of every pipeline; the question and its context may be named, too, or a list of each."""
        if inputs is None:
            if question is None or context is None:
                raise DataError("a question and its context are due", fix='call it with question="…", context="…"')
            if isinstance(question, str) and isinstance(context, str):
                inputs = {"question": question, "context": context}
            else:
                inputs = _questions(question, context)
        return super().__call__(inputs, **options)

    def _examples(self, rows: Iterator[Any], options: Mapping[str, Any]) -> Iterator[Example]:
        for number, row in enumerate(rows, 1):
            if isinstance(row, Example):
                yield row
                continue
            lacking = [name for name in ("question", "context") if not isinstance(row, Mapping) or name not in row]
            if lacking:
                raise DataError(
                    f"the row has no {lacking[0]}", where=f"row {number}", fix='give {"question": "…", "context": "…"}'
                )
            yield from examples_of(({"text": row["context"], "question": row["question"]},))

    def _record(self, prediction: Prediction, example: Example, options: Mapping[str, Any]) -> Any:
        allowed = options.get("handle_impossible_answer", True)
        listed = [each for each in prediction.record["n_best"] if allowed or each["text"]]
        # What the head answers comes first, whatever else is a little likelier.
        listed.sort(key=lambda each: each["text"] != prediction.answer)
        records = [
            {"score": each["score"], "start": each["start"] or 0, "end": each["end"] or 0, "answer": each["text"]}
            for each in listed
        ]
        nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
        top = options.get("top_k", 1)
        return (records[0] if records else nothing) if top == 1 else records[:top]


class Translation(Pipeline):
    """The text in the language that the head was made for; ``src_lang`` says the text's own where rows do not."""

    task = "translation"
    options = ("src_lang",)

    def _examples(self, rows: Iterator[Any], options: Mapping[str, Any]) -> Iterator[Example]:
        language = options.get("src_lang")
        named = (
            {"text": row, "language": language} if language is not None and isinstance(row, str) else row
            for row in rows
        )
        return examples_of(named)

    def _record(self, prediction: Prediction, example: Example, options: Mapping[str, Any]) -> list[dict[str, str]]:
        return [{"translation_text": str(prediction.answer)}]

    def _listed(self, found: Any) -> Any:
        return found[0]


class FeatureExtraction(Pipeline):
    """The hidden states of a text's tokens in the last layer, *Shape:* ``(1, tokens, hidden)``: nested lists."""

    task = "feature-extraction"
    options = ("return_tensors",)

    def _records(self, rows: Iterator[Any], stacks: Stacks, options: Mapping[str, Any]) -> Iterator[Any]:
        routed = self._opened.routed(self._examples(rows, options), stacks, {})
        texts = ((example.text, keys) for example, keys in routed)
        for _, states in self._opened.engine.hidden_states(texts):
            found = states.unsqueeze(0)
            yield found if options.get("return_tensors") else found.tolist()


_KINDS: Sequence[type[Pipeline]] = (
    TextClassification,
    TokenClassification,
    QuestionAnswering,
    Translation,
    FeatureExtraction,
)


def pipeline(opened: OpenStacks, task: str | None, options: Mapping[str, Any]) -> Pipeline:
    """The pipeline of a task that the model's head is for, or that no head is needed for.

    Raises:
        UserError: the head is for another task, or for none that pipelines know.
    """
    kinds = {kind.task: kind for kind in _KINDS}
    manifests = [stored.manifest for stored in opened.own.stored if stored.manifest.head is not None]
    own = hub_task(manifests[0], opened.host) if manifests else ""
    fitting = [name for name in dict.fromkeys((own, FeatureExtraction.task)) if name in kinds]
    asked = fitting[0] if task is None else _ALIASES.get(task, task)
    # translation_jv_to_id
    asked = Translation.task if asked.startswith(f"{Translation.task}_") else asked
    if asked not in fitting:
        head = f'the head "{manifests[0].head.kind}"' if manifests and manifests[0].head else "a stack without a head"
        raise StackError(
            f'{head} makes no pipeline "{task}"',
            where=f'stack "{opened.own.stack}"',
            fix=f"ask for {' or '.join(fitting)}",
        )
    return kinds[asked](opened, options)


# --------------------------------------------------------------------------------------------------------------- ways


def _each(inputs: Any) -> Iterator[Any]:
    if isinstance(inputs, Iterable):
        return iter(inputs)
    if hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):
        # A data set of torch, which need not say where it ends otherwise.
        return (inputs[index] for index in range(len(inputs)))
    raise DataError(f"{type(inputs).__name__} is no text", fix="give a text, a list of texts, or an iterable")


def _questions(question: Any, context: Any) -> list[dict[str, Any]]:
    many: Callable[[Any], Any] = lambda each: repeat(each) if isinstance(each, str) else each  # noqa: E731
    counts = {len(each) for each in (question, context) if not isinstance(each, str)}
    if len(counts) > 1:
        raise DataError("there are not as many questions as contexts", fix="give each question its context")
    return [{"question": one, "context": other} for one, other in zip(many(question), many(context), strict=False)]


def _words(prediction: Prediction, example: Example) -> list[tuple[str, dict[str, Any]]]:
    """Each word's tag, with its score and place."""
    record = prediction.record
    words, tags = record["words"], record.get("tags") or record["relations"]
    scores = record.get("word_scores") or [prediction.score] * len(words)
    places = example.places or _found(words, example.text)
    return [
        (tag, {"score": score, "index": number, "word": word, "start": start, "end": end})
        for number, (word, tag, score, (start, end)) in enumerate(zip(words, tags, scores, places, strict=True), 1)
    ]


def _found(words: Sequence[str], text: str) -> list[tuple[int | None, int | None]]:
    """Where each word stands; nowhere where the text is not made of them."""
    places: list[tuple[int | None, int | None]] = []
    behind = 0
    for word in words:
        start = text.find(word, behind)
        if start < 0:
            places.append((None, None))
            continue
        behind = start + len(word)
        places.append((start, behind))
    return places


def _joined(tag: str, words: Sequence[Mapping[str, Any]], example: Example) -> dict[str, Any]:
    start, end = words[0]["start"], words[-1]["end"]
    return {
        "entity_group": tag,
        "score": sum(each["score"] for each in words) / len(words),
        "word": example.text[start:end] if start is not None and end else " ".join(each["word"] for each in words),
        "start": start,
        "end": end,
    }
