"""Writes a tiny encoder with TensorFlow itself for each format that the plugin `tensorflow` reads, and its outputs.

It runs where tensorflow, tf_keras, tf-models-official and transformers with TensorFlow are installed:

    TF_USE_LEGACY_KERAS=1 python tests/support/tensorflow_checkpoints.py FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import networks

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{c}" for c in "abcdefghij"),
]
SIZE = {"vocab": len(VOCABULARY), "hidden": 8, "layers": 2, "heads": 2, "inner": 12, "positions": 16, "types": 2}
IDS = np.array([[2, 7, 9, 30, 11, 3], [2, 5, 6, 3, 0, 0]], np.int32)
MASK = (IDS != 0).astype(np.int32)
TYPES = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]], np.int32)


def shuffled(model: tf_keras.Model, seed: int) -> None:
    """Gives every variable values of its own, norms and biases too."""
    numbers = np.random.default_rng(seed)
    for variable in model.variables:
        center = 1.0 if "gamma" in variable.name else 0.0
        variable.assign(numbers.normal(center, 0.2, variable.shape))


def garden(seed: int, **named: object) -> tf_keras.Model:
    """Model Garden's `BertEncoder`."""
    model = networks.BertEncoder(
        vocab_size=SIZE["vocab"],
        hidden_size=SIZE["hidden"],
        num_layers=SIZE["layers"],
        num_attention_heads=SIZE["heads"],
        max_sequence_length=SIZE["positions"],
        type_vocab_size=SIZE["types"],
        intermediate_size=SIZE["inner"],
        dict_outputs=True,
        **named,
    )
    shuffled(model, seed)
    return model


def outputs(model: tf_keras.Model) -> np.ndarray:
    """The last hidden states."""
    return model([IDS, MASK, TYPES])["sequence_output"].numpy()


def settings(folder: Path, **more: object) -> None:
    """``bert_config.json`` and ``vocab.txt`` as google-research's checkpoints have them."""
    config = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": SIZE["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": SIZE["inner"],
        "max_position_embeddings": SIZE["positions"],
        "num_attention_heads": SIZE["heads"],
        "num_hidden_layers": SIZE["layers"],
        "type_vocab_size": SIZE["types"],
        "vocab_size": SIZE["vocab"],
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bert_config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tensorflow_text.json").write_text(json.dumps({"tokenizer": "BertTokenizer", "lower_case": True}))


def write_garden_checkpoint(folder: Path) -> np.ndarray:
    """An object-based checkpoint, with a step counter and an optimiser beside the encoder."""
    model = garden(1)
    settings(folder)
    optimizer = tf_keras.optimizers.legacy.Adam()
    optimizer.apply_gradients([(tf.zeros_like(v), v) for v in model.trainable_variables[:3]])
    tf.train.Checkpoint(encoder=model, optimizer=optimizer).save(str(folder / "ckpt"))
    return outputs(model)


def write_garden_h5(folder: Path) -> np.ndarray:
    model = garden(2)
    settings(folder)
    model.save_weights(str(folder / "encoder.h5"))
    return outputs(model)


def write_garden_weights_h5(folder: Path) -> np.ndarray:
    model = garden(3)
    settings(folder)
    model.save_weights(str(folder / "encoder.weights.h5"))
    return outputs(model)


def write_garden_keras(folder: Path) -> np.ndarray:
    model = garden(4)
    settings(folder)
    model.save(str(folder / "encoder.keras"))
    return outputs(model)


def write_saved_model(folder: Path) -> np.ndarray:
    """As Model Garden's export_tfhub does it: no configuration, the vocabulary among the assets."""
    encoder = garden(5)
    vocabulary = folder.parent / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n")
    inputs = {tensor.name: tensor for tensor in encoder.inputs}
    found = encoder(inputs)
    found["default"] = found["pooled_output"]
    core = tf_keras.Model(inputs=inputs, outputs=found)
    core.vocab_file = tf.saved_model.Asset(str(vocabulary))
    core.do_lower_case = tf.Variable(True, trainable=False)
    core.save(str(folder), include_optimizer=False, save_format="tf")
    vocabulary.unlink()
    return outputs(encoder)


def write_albert(folder: Path) -> np.ndarray:
    model = networks.AlbertEncoder(
        vocab_size=SIZE["vocab"],
        embedding_width=4,
        hidden_size=SIZE["hidden"],
        num_layers=SIZE["layers"],
        num_attention_heads=SIZE["heads"],
        max_sequence_length=SIZE["positions"],
        type_vocab_size=SIZE["types"],
        intermediate_size=SIZE["inner"],
        dict_outputs=True,
    )
    shuffled(model, 6)
    settings(folder, embedding_size=4)
    tf.train.Checkpoint(model=model).write(str(folder / "albert.ckpt"))
    return outputs(model)


def write_google_bert(folder: Path) -> np.ndarray:
    """google-research's BERT: variables by their names, as `tf.compat.v1.train.Saver` saves them."""
    settings(folder)
    numbers = np.random.default_rng(7)
    width, inner = SIZE["hidden"], SIZE["inner"]
    shapes = {
        "bert/embeddings/word_embeddings": (SIZE["vocab"], width),
        "bert/embeddings/position_embeddings": (SIZE["positions"], width),
        "bert/embeddings/token_type_embeddings": (SIZE["types"], width),
        "bert/pooler/dense/kernel": (width, width),
        "bert/pooler/dense/bias": (width,),
        "cls/predictions/output_bias": (SIZE["vocab"],),
        "cls/predictions/transform/dense/kernel": (width, width),
        "cls/predictions/transform/dense/bias": (width,),
        "cls/predictions/transform/LayerNorm/gamma": (width,),
        "cls/predictions/transform/LayerNorm/beta": (width,),
        "cls/seq_relationship/output_weights": (2, width),
        "cls/seq_relationship/output_bias": (2,),
    }
    norms = ["bert/embeddings/LayerNorm"]
    for index in range(SIZE["layers"]):
        layer = f"bert/encoder/layer_{index}"
        dense = {f"attention/self/{name}": (width, width) for name in ("query", "key", "value")}
        dense |= {
            "attention/output/dense": (width, width),
            "intermediate/dense": (width, inner),
            "output/dense": (inner, width),
        }
        for name, shape in dense.items():
            shapes[f"{layer}/{name}/kernel"], shapes[f"{layer}/{name}/bias"] = shape, shape[1:]
        norms += [f"{layer}/attention/output/LayerNorm", f"{layer}/output/LayerNorm"]
    for norm in norms:
        shapes[f"{norm}/gamma"] = shapes[f"{norm}/beta"] = (width,)
    values = {
        name: numbers.normal(1.0 if name.endswith("gamma") else 0.0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_named(values, folder / "bert_model.ckpt")
    return google_bert(values)


def save_named(values: dict[str, np.ndarray], path: Path) -> None:
    """A checkpoint of variables by their names, with a step counter."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.Variable(value, name=name) for name, value in values.items()]
        variables.append(tf.compat.v1.Variable(np.int64(3), name="global_step", trainable=False))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(path), write_meta_graph=False)


def google_bert(values: dict[str, np.ndarray], projection: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """What modeling.py of google-research/bert computes: attention masked by -10000, gelu by tanh."""
    width, heads = SIZE["hidden"], SIZE["heads"]
    batch, length = IDS.shape

    def dense(x: tf.Tensor, name: str) -> tf.Tensor:
        return tf.einsum("bti,io->bto", x, values[f"{name}/kernel"]) + values[f"{name}/bias"]

    def norm(x: tf.Tensor, name: str) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, values[f"{name}/beta"], values[f"{name}/gamma"], 1e-12)

    def gelu(x: tf.Tensor) -> tf.Tensor:
        return x * 0.5 * (1.0 + tf.tanh(np.sqrt(2 / np.pi).astype(np.float32) * (x + 0.044715 * tf.pow(x, 3))))

    def split(x: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(x, [batch, length, heads, width // heads]), [0, 2, 1, 3])

    embeddings = "bert/embeddings/"
    states = (
        tf.gather(values[f"{embeddings}word_embeddings"], IDS)
        + values[f"{embeddings}position_embeddings"][None, :length]
        + tf.gather(values[f"{embeddings}token_type_embeddings"], TYPES)
    )
    states = norm(states, f"{embeddings}LayerNorm")
    if projection is not None:
        states = tf.einsum("bti,io->bto", states, projection[0]) + projection[1]
    added = (1.0 - MASK[:, None, None, :].astype(np.float32)) * -10000.0
    for index in range(SIZE["layers"]):
        layer = f"bert/encoder/layer_{index}"
        query, key, value = (
            split(dense(states, f"{layer}/attention/self/{name}")) for name in ("query", "key", "value")
        )
        scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(width // heads).astype(np.float32) + added
        context = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
        attended = dense(tf.reshape(context, [batch, length, width]), f"{layer}/attention/output/dense")
        states = norm(states + attended, f"{layer}/attention/output/LayerNorm")
        inner = dense(gelu(dense(states, f"{layer}/intermediate/dense")), f"{layer}/output/dense")
        states = norm(states + inner, f"{layer}/output/LayerNorm")
    return states.numpy()


def write_google_albert(folder: Path) -> np.ndarray:
    """google-research's ALBERT: one layer for all, and embeddings that are narrower."""
    narrow = 4
    settings(folder, embedding_size=narrow)
    (folder / "bert_config.json").rename(folder / "albert_config.json")
    numbers = np.random.default_rng(9)
    width, inner = SIZE["hidden"], SIZE["inner"]
    layer = "bert/encoder/transformer/group_0/inner_group_0"
    names = {
        "attention/self/query": ("attention_1/self/query", (width, width)),
        "attention/self/key": ("attention_1/self/key", (width, width)),
        "attention/self/value": ("attention_1/self/value", (width, width)),
        "attention/output/dense": ("attention_1/output/dense", (width, width)),
        "intermediate/dense": ("ffn_1/intermediate/dense", (width, inner)),
        "output/dense": ("ffn_1/intermediate/output/dense", (inner, width)),
    }
    shapes = {
        "bert/embeddings/word_embeddings": (SIZE["vocab"], narrow),
        "bert/embeddings/position_embeddings": (SIZE["positions"], narrow),
        "bert/embeddings/token_type_embeddings": (SIZE["types"], narrow),
        "bert/embeddings/LayerNorm/gamma": (narrow,),
        "bert/embeddings/LayerNorm/beta": (narrow,),
        "bert/encoder/embedding_hidden_mapping_in/kernel": (narrow, width),
        "bert/encoder/embedding_hidden_mapping_in/bias": (width,),
    }
    for own, shape in names.values():
        shapes[f"{layer}/{own}/kernel"], shapes[f"{layer}/{own}/bias"] = shape, shape[1:]
    for norm in ("LayerNorm", "LayerNorm_1"):
        shapes[f"{layer}/{norm}/gamma"] = shapes[f"{layer}/{norm}/beta"] = (width,)
    values = {
        name: numbers.normal(1.0 if name.endswith("gamma") else 0.0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_named(values, folder / "model.ckpt-best")
    # Computed as BERT whose layers are alike, behind a projection.
    alike = {name: value for name, value in values.items() if name.startswith("bert/embeddings/")}
    for index in range(SIZE["layers"]):
        for bert, (own, _) in names.items():
            for kind in ("kernel", "bias"):
                alike[f"bert/encoder/layer_{index}/{bert}/{kind}"] = values[f"{layer}/{own}/{kind}"]
        for bert, own in {"attention/output/LayerNorm": "LayerNorm", "output/LayerNorm": "LayerNorm_1"}.items():
            for kind in ("gamma", "beta"):
                alike[f"bert/encoder/layer_{index}/{bert}/{kind}"] = values[f"{layer}/{own}/{kind}"]
    mapping = "bert/encoder/embedding_hidden_mapping_in"
    return google_bert(alike, (values[f"{mapping}/kernel"], values[f"{mapping}/bias"]))


def write_transformers(folder: Path) -> np.ndarray:
    """``tf_model.h5`` as transformers' `TFBertForMaskedLM` writes it."""
    from transformers import BertConfig, TFBertForMaskedLM

    config = BertConfig(
        vocab_size=SIZE["vocab"],
        hidden_size=SIZE["hidden"],
        num_hidden_layers=SIZE["layers"],
        num_attention_heads=SIZE["heads"],
        intermediate_size=SIZE["inner"],
        max_position_embeddings=SIZE["positions"],
        type_vocab_size=SIZE["types"],
    )
    model = TFBertForMaskedLM(config)
    inputs = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": TYPES}
    model(inputs)
    shuffled(model, 8)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    return model.bert(inputs).last_hidden_state.numpy()


WRITERS = {
    "garden_checkpoint": write_garden_checkpoint,
    "garden_h5": write_garden_h5,
    "garden_weights_h5": write_garden_weights_h5,
    "garden_keras": write_garden_keras,
    "saved_model": write_saved_model,
    "albert": write_albert,
    "google_albert": write_google_albert,
    "google_bert": write_google_bert,
    "transformers": write_transformers,
}


def main() -> None:
    """Write them all, or those named, each as an archive, and the hidden states of all that are there."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    recorded = target / "hidden_states.npz"
    states = dict(np.load(recorded)) if recorded.exists() else {}
    with tempfile.TemporaryDirectory() as work:
        for name in sys.argv[2:] or WRITERS:
            states[name] = WRITERS[name](Path(work) / name)
            shutil.make_archive(str(target / name), "zip", Path(work) / name)
    np.savez_compressed(recorded, **states)


if __name__ == "__main__":
    main()
