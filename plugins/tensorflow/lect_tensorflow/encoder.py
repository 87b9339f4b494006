"""BERT's parameters and settings out of the variables of a model in TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect import BackboneError
from lect_tensorflow.names import SHARED, Layout, left_out, place_of
from lect_tensorflow.variables import Variable, Variables

if TYPE_CHECKING:
    import numpy as np

_WORDS = "embeddings.word_embeddings.weight"
#: What google-research and Model Garden call gelu is its approximation by tanh.
_ACTIVATIONS = {
    "gelu": "gelu_pytorch_tanh",
    "gelu_approximate": "gelu_pytorch_tanh",
    "gelu_new": "gelu_pytorch_tanh",
    "gelu_pytorch_tanh": "gelu_pytorch_tanh",
    "relu": "relu",
}


@dataclass(frozen=True)
class Shape:
    """The sizes of an encoder, as its variables have them.

    Args:
        embedding: the width of the embeddings, where a projection takes them to that of the layers.
        heads: None where the variables do not say.
        layers: None where all layers have the parameters of one.
    """

    vocabulary: int
    positions: int
    types: int
    embedding: int
    hidden: int
    inner: int
    heads: int | None
    layers: int | None


class Encoder:
    """What of a model's variables is the encoder.

    Raises:
        BackboneError: a variable has no place in it and is none that a backbone does without, a parameter is lacking
            or there twice, or shapes do not fit each other.
    """

    def __init__(self, variables: Variables) -> None:
        self._where = str(variables.path)
        names = list(variables.by_name)
        self.layout: Layout = max(
            ("google", "garden"), key=lambda layout: sum(bool(place_of(n, layout)) for n in names)
        )
        self._places: dict[tuple[str, int | None], tuple[str, Variable]] = {}
        kinds: Counter[str] = Counter()
        for name, variable in variables.by_name.items():
            place = place_of(name, self.layout)
            if place is None:
                kinds[self._without(name)] += 1
                continue
            if place in self._places and not _alike(variable, self._places[place][1]):
                raise self._error(f"{name} and {self._places[place][0]} are the same parameter, and differ")
            self._places[place] = (name, variable)
        self.left_out = [f"left out {kind} ({count:,} variables)" for kind, count in sorted(kinds.items())]
        self.shape = self._read_shape()

    def tensors(self, layers: int, tell: Callable[[float], None]) -> dict[str, np.ndarray]:
        """The parameters in float32 under the names that transformers uses.

        Args:
            layers: how many layers there are; each gets a copy where all have the parameters of one.
        """
        import numpy as np

        tensors: dict[str, np.ndarray] = {}
        for done, ((target, layer), (name, variable)) in enumerate(self._places.items(), start=1):
            values = _as_matrix(target, variable.read()).astype(np.float32)
            if not np.isfinite(values).all():
                raise self._error(f"{name} holds numbers that are not finite")
            if layer is None:
                tensors[target] = values
            else:
                for index in range(layers) if layer == SHARED else [layer]:
                    tensors[f"encoder.layer.{index}.{target}"] = values
            tell(done / len(self._places))
        return tensors

    def _without(self, name: str) -> str:
        kind = left_out(name)
        if kind is None:
            raise self._error(
                f'it holds "{name}", which has no place in BERT',
                fix="export the encoder alone, or convert the model with the code it was trained with",
            )
        return kind

    def _read_shape(self) -> Shape:
        if (_WORDS, None) not in self._places:
            raise self._error(
                "it holds no encoder like BERT: its embeddings of tokens are not there by a name that is known",
                fix="name a model of google-research/bert, of Model Garden, or TFBertModel of transformers",
            )
        numbers = sorted({layer for _, layer in self._places if layer is not None})
        query = self._place("attention.self.query.weight", numbers[0] if numbers else 0)
        vocabulary, embedding = self._place(_WORDS).shape
        hidden = query.shape[0]
        shape = Shape(
            vocabulary=vocabulary,
            positions=self._place("embeddings.position_embeddings.weight").shape[0],
            types=self._place("embeddings.token_type_embeddings.weight").shape[0],
            embedding=embedding,
            hidden=hidden,
            inner=self._place("intermediate.dense.weight", numbers[0]).shape[-1],
            heads=query.shape[1] if len(query.shape) == 3 else None,
            layers=None if numbers == [SHARED] else len(numbers),
        )
        if shape.layers is not None and numbers != list(range(shape.layers)):
            missing = next(index for index in range(numbers[-1]) if index not in numbers)
            raise self._error(f"it lacks layer {missing}")
        self._check(shape, numbers)
        return shape

    def _check(self, shape: Shape, numbers: list[int]) -> None:
        """Every parameter is there, in the shape that the others ask for."""
        expected: dict[tuple[str, int | None], tuple[int, ...]] = {
            (name, None): sizes for name, sizes in _outer_shapes(shape).items()
        }
        expected |= {(name, layer): sizes for layer in numbers for name, sizes in _layer_shapes(shape).items()}
        for (name, layer), sizes in expected.items():
            full = name if layer in (None, SHARED) else f"layer {layer}, {name}"
            if (name, layer) not in self._places:
                raise self._error(f"it lacks {full}, which would be random", fix="copy the whole model")
            found, variable = self._places[name, layer]
            if _matrix_shape(name, variable.shape) != sizes:
                raise self._error(
                    f"{found} has shape {_shown(variable.shape)}, and {_shown(sizes)} would fit the other variables"
                )
        extra = next((found for place, (found, _) in self._places.items() if place not in expected), None)
        if extra is not None:
            raise self._error(f'it holds "{extra}", which has no place beside its other variables')

    def _place(self, name: str, layer: int | None = None) -> Variable:
        if (name, layer) not in self._places:
            where = f"layer {layer}, " if layer not in (None, SHARED) else ""
            raise self._error(f"it lacks {where}{name}, which would be random", fix="copy the whole model")
        return self._places[name, layer][1]

    def _error(self, what: str, fix: str | None = None) -> BackboneError:
        return BackboneError(what, where=self._where, fix=fix)


def encoder_config(shape: Shape, stated: Mapping[str, Any], activation: str | None, where: str) -> dict[str, Any]:
    """``config.json`` for transformers.

    An encoder whose embeddings are narrower than its layers is an ELECTRA there; ALBERT, which has such embeddings and
    one layer's parameters in all, is one whose layers are alike.

    Args:
        stated: what a configuration beside the variables says, in the words of google-research.
        activation: what the graph computes with, where nothing else says it.
        where: the configuration, or the folder where there is none.

    Raises:
        BackboneError: the two contradict each other, or something is said by neither.
    """
    known = {
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "embedding_size": shape.embedding,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
    }
    for name, value in known.items():
        said = stated.get(name)
        if value is not None and said is not None and said != value:
            raise BackboneError(f"it says {name} {said}, and the variables have {value}", where=where)
        if value is None and not isinstance(said, int):
            raise BackboneError(f"nothing says {name}", where=where, fix=f'put bert_config.json with "{name}" there')
    heads = int(shape.heads or stated["num_attention_heads"])
    if heads < 1 or shape.hidden % heads:
        raise BackboneError(f"{shape.hidden} hidden units cannot have {heads} attention heads", where=where)
    of_transformers = "model_type" in stated
    narrow = shape.embedding != shape.hidden
    return {
        "architectures": ["ElectraModel" if narrow else "BertModel"],
        "model_type": "electra" if narrow else "bert",
        "attention_probs_dropout_prob": stated.get("attention_probs_dropout_prob", 0.1),
        "hidden_dropout_prob": stated.get("hidden_dropout_prob", 0.1),
        "initializer_range": stated.get("initializer_range", 0.02),
        "layer_norm_eps": stated.get("layer_norm_eps", 1e-12) if of_transformers else 1e-12,
        "hidden_act": _activation(stated, activation, where),
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "transformers_version": "4.57.0",
        **known,
        "num_attention_heads": heads,
        "num_hidden_layers": int(shape.layers or stated["num_hidden_layers"]),
    }


def _activation(stated: Mapping[str, Any], activation: str | None, where: str) -> str:
    said = stated.get("hidden_act")
    if isinstance(said, str) and "model_type" in stated:
        return said
    if isinstance(said, str):
        if said not in _ACTIVATIONS:
            raise BackboneError(f'the activation "{said}" is not known', where=where, fix="use gelu or relu")
        return _ACTIVATIONS[said]
    if activation is None:
        raise BackboneError(
            "nothing says which activation it computes with",
            where=where,
            fix='put bert_config.json with "hidden_act" there',
        )
    return activation


def _outer_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    width = shape.embedding
    shapes: dict[str, tuple[int, ...]] = {
        _WORDS: (shape.vocabulary, width),
        "embeddings.position_embeddings.weight": (shape.positions, width),
        "embeddings.token_type_embeddings.weight": (shape.types, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    if width != shape.hidden:
        shapes |= {"embeddings_project.weight": (shape.hidden, width), "embeddings_project.bias": (shape.hidden,)}
    return shapes


def _layer_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    hidden, inner = shape.hidden, shape.inner
    dense = {f"attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
    dense |= {
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for name, sizes in dense.items():
        shapes |= {f"{name}.weight": sizes, f"{name}.bias": sizes[:1]}
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return shapes


def _alike(one: Variable, other: Variable) -> bool:
    """Whether two variables have the same values: a head that shares a layer may be saved with a copy of it."""
    import numpy as np

    return one.shape == other.shape and np.array_equal(one.read(), other.read())


def _is_kernel(name: str) -> bool:
    return name.endswith(".weight") and "LayerNorm" not in name and not name.startswith("embeddings.")


def _matrix_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `_as_matrix`."""
    if _is_kernel(name) and len(shape) >= 2:
        rows = shape[:-1] if "attention.output" in name else shape[:1]
        inputs, outputs = _product(rows), _product(shape[len(rows) :])
        return (outputs, inputs)
    return (_product(shape),) if len(shape) == 2 and name.endswith(".bias") else shape


def _as_matrix(name: str, values: np.ndarray) -> np.ndarray:
    """A parameter as torch has it: kernels are turned, and the heads of Model Garden's put side by side."""
    import numpy as np

    shape = _matrix_shape(name, values.shape)
    if _is_kernel(name):
        return np.ascontiguousarray(values.reshape(shape[::-1]).T)
    return values.reshape(shape)


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
