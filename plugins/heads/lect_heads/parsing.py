"""Dependency parsing: Dozat & Manning (2017), Deep Biaffine Attention for Neural Dependency Parsing.

Over a pretrained encoder as in UDify (Kondratyuk & Straka 2019): the first token of each word is its vector, the row's
first token the root's. Parts of speech are learned beside, from the same hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect import DataError, Head, Layout, Prediction, nearest
from lect_heads.aligned import WordTargets, locate, word_layout, word_targets
from lect_heads.trees import best_tree
from lect_heads.words import Words

if TYPE_CHECKING:
    from lect import Backbone, Example, RowTokenizer
    from lect_heads.configs import ParsingConfig

TAG = "upos="
Arc = tuple[int, str, str | None]
"""A word's head (from 1, 0 for the root), its relation to it, and its part of speech where that is known."""


@dataclass(frozen=True)
class TreeTargets:
    """The words of a batch with head, relation and tag of each: `values`, *Shape:* ``(words, 3)``; no tag is -1.

    Args:
        roots: the row whose first token is each example's root. *Shape:* ``(examples,)``.
    """

    words: WordTargets
    roots: Tensor

    def to(self, device: torch.device) -> TreeTargets:
        """The same on a device."""
        return TreeTargets(self.words.to(device), self.roots.to(device))


class ParsingHead(Head):
    """Vectors of each token as dependent and as head, for arcs and for relations, and two biaffine forms over them."""

    windowed = True

    def __init__(self, config: ParsingConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self._overlap = config.overlap
        self._relations = tuple(label for label in labels if not label.startswith(TAG))
        self._tags = tuple(label.removeprefix(TAG) for label in labels if label.startswith(TAG))
        self._relation = {name: index for index, name in enumerate(self._relations)}
        self._tag = {name: index for index, name in enumerate(self._tags)}
        self._sizes = (config.arc, config.arc, config.relation, config.relation)
        self.dropout = nn.Dropout(config.dropout)
        self.vectors = nn.Linear(backbone.hidden_size, sum(self._sizes))
        self.tags = nn.Linear(backbone.hidden_size, len(self._tags)) if self._tags else None
        # One more than the vectors are long: the bias, which makes a linear form of heads part of the bilinear one.
        self.arcs = nn.Parameter(torch.zeros(config.arc + 1, config.arc))
        self.relations = nn.Parameter(torch.zeros(len(self._relations), config.relation + 1, config.relation + 1))
        nn.init.xavier_uniform_(self.arcs)
        nn.init.xavier_uniform_(self.relations)

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        """As many rows as each text takes; the tree is that of the whole text."""
        return word_layout(examples, tokenizer, self._overlap)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """The vectors of every token, and the logits of its tags, *Shape:* ``(rows, length, features)``."""
        hidden = self.dropout(hidden_states)
        vectors = self.dropout(nn.functional.leaky_relu(self.vectors(hidden), 0.1))
        return vectors if self.tags is None else torch.cat([vectors, self.tags(hidden)], dim=-1)

    def references(self, examples: Sequence[Example]) -> list[tuple[Arc, ...]]:
        """Each example's arcs. A relation that was not learned is none of the head's answers, and counts as missed."""
        return [self._arcs_of(example) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> TreeTargets:
        values = [
            torch.tensor(
                [
                    (head, self._known(name, example), self._tag.get(tag, -1))
                    for head, name, tag in self._arcs_of(example)
                ]
            ).reshape(-1, 3)
            for example in examples
        ]
        roots = torch.tensor([rows.start for rows in layout.spans])
        return TreeTargets(word_targets(examples, layout, values), roots)

    def loss(self, logits: Tensor, targets: TreeTargets) -> Tensor:
        """Cross-entropy of heads, of relations to the true heads and of tags, each the mean over words."""
        words, counts = targets.words, list(targets.words.counts)
        features = logits[words.rows, words.tokens]
        dependents, heads = _padded(features, logits[targets.roots, 0], counts)
        true = nn.utils.rnn.pad_sequence(words.values.split(counts), batch_first=True, padding_value=0)
        real = torch.arange(true.shape[1], device=true.device) < torch.tensor(counts, device=true.device)[:, None]
        arcs = self._arc_scores(dependents, heads, counts)
        chosen = heads.gather(1, true[..., 0].unsqueeze(-1).expand(-1, -1, heads.shape[-1]))
        relations = self._relation_scores(dependents[real], chosen[real])
        loss = nn.functional.cross_entropy(arcs[real], true[..., 0][real])
        loss = loss + nn.functional.cross_entropy(relations, true[..., 1][real])
        tags = true[..., 2][real]
        if self.tags is not None and bool((tags >= 0).any()):
            loss = loss + nn.functional.cross_entropy(dependents[real][:, sum(self._sizes) :], tags, ignore_index=-1)
        return loss

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        """The best tree of each example, the best relation of each of its arcs, the best tag of each word."""
        predictions = []
        for (words, rows, tokens), span in zip(locate(examples, layout), layout.spans, strict=True):
            features = logits[rows.to(logits.device), tokens.to(logits.device)]
            count = len(features)
            dependents, heads = _padded(features, logits[span.start, :1], [count])
            scores = self._arc_scores(dependents, heads, [count])[0, :count].log_softmax(-1)
            tree = best_tree(scores.double().cpu().numpy())
            relations = self._relation_scores(dependents[0, :count], heads[0, tree])
            tags = features[:, sum(self._sizes) :].argmax(-1).tolist() if self.tags is not None else []
            predictions.append(self._prediction(words, tree, relations, scores, tags))
        return predictions

    def _prediction(
        self, words: Words, tree: list[int], relations: Tensor, scores: Tensor, tags: Sequence[int]
    ) -> Prediction:
        root = self._relation.get("root")
        if root is not None and tree:
            under = torch.tensor(tree, device=relations.device) == 0
            # The relation "root" is that of the arc from the root, and of no other.
            relations = relations.masked_fill(torch.eye(len(self._relations), device=under.device)[root].bool(), -1e9)
            relations[under, root] = 1e9
        names = [self._relations[index] for index in relations.argmax(-1).tolist()]
        given = [self._tags[index] for index in tags] or [None] * len(tree)
        arcs = tuple(zip(tree, names, given, strict=True))
        sure = [float(scores[word, head].exp()) for word, head in enumerate(tree)]
        shown = " ".join(
            f"{word}({name})" if head == 0 else f"{word}({name}→{words.words[head - 1]})"
            for word, head, name in zip(words.words, tree, names, strict=True)
        )
        record = {"words": list(words.words), "heads": tree, "relations": names}
        record |= {"tags": given} if self._tags else {}
        return Prediction(arcs, sum(sure) / len(sure) if sure else None, shown=shown, record=record)

    def _arc_scores(self, dependents: Tensor, heads: Tensor, counts: Sequence[int]) -> Tensor:
        """Of each word's arc from the root and from each word, *Shape:* ``(examples, words, 1 + words)``."""
        arc = self._sizes[0]
        left = _with_bias(dependents[..., :arc]) @ self.arcs
        scores = left @ heads[..., arc : 2 * arc].transpose(1, 2)
        places = torch.arange(heads.shape[1], device=heads.device)
        absent = places[None, :] > torch.tensor(counts, device=heads.device)[:, None]
        itself = places[None, :] == places[1:, None]
        return scores.masked_fill(absent[:, None, :] | itself, -1e9)

    def _relation_scores(self, dependents: Tensor, heads: Tensor) -> Tensor:
        """Of each relation between words and their heads, *Shape:* ``(words, relations)``."""
        start, middle, end = 2 * self._sizes[0], 2 * self._sizes[0] + self._sizes[2], sum(self._sizes)
        left, right = _with_bias(dependents[..., start:middle]), _with_bias(heads[..., middle:end])
        return torch.einsum("wi,rij,wj->wr", left, self.relations, right)

    def _known(self, name: str, example: Example) -> int:
        """The number of a relation to learn."""
        if name not in self._relation:
            raise DataError(f'unknown relation "{name}"', where=example.origin, fix=nearest(name, self._relations))
        return self._relation[name]

    def _arcs_of(self, example: Example) -> tuple[Arc, ...]:
        heads, names = tree_of(example)
        tags = example.tags if self._tags and example.tags is not None else (None,) * len(heads)
        return tuple(zip(heads, names, tags, strict=True))


def tree_of(example: Example) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The example's heads and relations. Raises `DataError` where it has none, or not one for each of its words."""
    if example.words is None or example.heads is None or example.relations is None:
        if example.heads is None and example.lacks is not None:
            raise example.lacking("heads", "read it with the reader conllu")
        raise DataError("the row has no tree", where=example.origin, fix="read it with the reader conllu")
    if not len(example.words) == len(example.heads) == len(example.relations):
        raise DataError("not one head and relation a word", where=example.origin, fix="give each word both")
    return example.heads, example.relations


def tree_labels(examples: Sequence[Example], tags: bool) -> tuple[str, ...]:
    """The relations in training rows, and their parts of speech where those are learned, too."""
    relations = {name for example in examples for name in tree_of(example)[1]}
    known = {tag for example in examples for tag in example.tags or ()} if tags else set()
    return (*sorted(relations), *(f"{TAG}{tag}" for tag in sorted(known)))


def _padded(features: Tensor, roots: Tensor, counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Words by example, and the same with each example's root in front."""
    split = features.split(list(counts))
    with_roots = [torch.cat([root[None], own]) for root, own in zip(roots, split, strict=True)]
    heads = nn.utils.rnn.pad_sequence(with_roots, batch_first=True)
    return heads[:, 1:], heads


def _with_bias(vectors: Tensor) -> Tensor:
    return torch.cat([vectors, torch.ones_like(vectors[..., :1])], dim=-1)
