"""Scores of search: queries against a whole corpus, with judgements of relevance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lect.data.examples import Example
from lect.data.judgements import Judgement
from lect.engine.open import OpenStack, check_heads
from lect.errors import DataError
from lect.evaluation.evaluate import ablations, report_of
from lect.evaluation.ranking import Ranked, rank_relevant
from lect.evaluation.report import EvaluationReport
from lect.specs import MetricSpec

if TYPE_CHECKING:
    from lect.host import Host


def evaluate_search(
    opened: OpenStack,
    host: Host,
    queries: Sequence[Example],
    corpus: Sequence[Example],
    judgements: Sequence[Judgement],
    dataset: str,
    corpus_stack: OpenStack | None = None,
) -> EvaluationReport:
    """How well a stack finds what is relevant for its queries in a corpus.

    The corpus goes through one stack, whatever is taken away from that of the queries.

    Args:
        queries, corpus: each with its key.
        corpus_stack: what the corpus goes through; by default the component alone whose head gives the vectors, and
            the bare backbone where there is none.

    Raises:
        DataError: a row has no key or one that another has, a judgement is of a text that is not there, or nothing
            is relevant for any query.
        UserError: the two stacks' vectors are not of one head.
    """
    started = time.perf_counter()
    asked, found = _by_key(queries, "--option"), _by_key(corpus, "--corpus-option")
    relevant: dict[str, dict[int, float]] = {}
    absent = set()
    for each in judgements:
        if each.text not in found:
            fix = "add it, or leave its judgements out"
            raise DataError(f'no text of the corpus has the key "{each.text}"', where=each.origin, fix=fix)
        if each.query not in asked:
            absent.add(each.query)
        elif each.grade > 0:
            relevant.setdefault(each.query, {})[found[each.text]] = each.grade
    if not relevant:
        fix = "compare the keys of both files"
        raise DataError("no query has a relevant text", where=judgements[0].origin, fix=fix)
    chosen = [queries[asked[key]] for key in asked if key in relevant]
    grades = [relevant[key] for key in asked if key in relevant]
    own = (opened.vectors_by,) if opened.vectors_by else ()
    if corpus_stack is not None:
        check_heads(corpus_stack.vectors_by, opened.vectors_by, "--corpus-stack")
    there, through = (opened, own) if corpus_stack is None else (corpus_stack, corpus_stack.keys)
    candidates = there.engine.embed([each.text for each in corpus], through)
    texts = [example.text for example in chosen]
    variants = ablations(opened, keep_head=bool(own))
    vectors = opened.engine.embed_each(texts, [ablation.keys for ablation in variants])
    ranked = {
        ablation: rank_relevant(queried, candidates, grades)
        for ablation, queried in zip(variants, vectors, strict=True)
    }
    several = {grade for own_grades in grades for grade in own_grades.values()}
    notes = [
        f"Each query is looked for among {len(corpus):,} texts, of which "
        f"{sum(map(len, grades)) / len(grades):.3g} are relevant on average"
        + (f", with {len(several)} grades." if len(several) > 1 else "."),
        f"The corpus goes through {' + '.join(through) or 'the bare backbone'}.",
    ]
    if len(chosen) < len(queries):
        notes.append(f"{len(queries) - len(chosen):,} queries have no relevant text and are left out.")
    if absent:
        notes.append(f"{len(absent):,} judged queries are not among the queries and are left out.")
    shown = {ablation: [str(each) for each in own_ranks] for ablation, own_ranks in ranked.items()}
    truth: list[Ranked] = next(iter(ranked.values()))
    metrics = [host.spec(MetricSpec, "ranking")]
    return report_of(opened, dataset, truth, ranked, shown, metrics, notes, started, rows=chosen)


def _by_key(examples: Sequence[Example], option: str) -> dict[str, int]:
    """The places of examples by their keys."""
    found: dict[str, int] = {}
    for place, example in enumerate(examples):
        if example.key is None:
            raise DataError("the row has no key", where=example.origin, fix=f"name its column: {option} key=_id")
        if example.key in found:
            before = examples[found[example.key]].origin
            fix = "give each row a key of its own"
            raise DataError(f'the key "{example.key}" is that of {before}, too', where=example.origin, fix=fix)
        found[example.key] = place
    return found
