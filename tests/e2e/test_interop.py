"""Models in the hands of other libraries, each tested against the real one: what their users type runs on a stack."""

from __future__ import annotations

import json
from itertools import count

import numpy as np
import pytest

import lect

TEXTS = ["a great and happy day", "the grim cold", "warm and bright", "sad, dark day the awful"]
STACK = "lang:cipher + task:mood"
HEAVY = (
    "these tests load sentence-transformers and mteb, which takes half a minute; they run where the extra "
    '"interop" is installed: pip install "lect[interop]"'
)


@pytest.fixture
def model(workspace, trained):
    with lect.load(STACK, backbone="backbone", library=trained) as model:
        yield model


@pytest.mark.slow
class TestSentenceTransformers:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("sentence_transformers", reason=HEAVY)

    def test_encodes_with_what_encode_takes(self, model):
        import torch
        from sentence_transformers import SentenceTransformer

        encoder = model.as_sentence_transformer({"cipher": "lang:cipher"})
        assert isinstance(encoder, SentenceTransformer)
        vectors = encoder.encode(TEXTS, batch_size=2)
        assert vectors.dtype == np.float32 and vectors == pytest.approx(model.embed(TEXTS), abs=1e-5)
        assert encoder.encode(TEXTS[0]) == pytest.approx(vectors[0], abs=1e-5)
        assert isinstance(encoder.encode(TEXTS, convert_to_tensor=True), torch.Tensor)
        normal = encoder.encode(TEXTS, normalize_embeddings=True)
        assert normal == pytest.approx(model.embed(TEXTS, normalize=True), abs=1e-5)
        similar = encoder.similarity(vectors, vectors)
        assert similar.numpy() == pytest.approx(normal @ normal.T, abs=1e-5)
        assert encoder.get_embedding_dimension() == 32 and len(
            encoder.encode(TEXTS[0], output_value="token_embeddings")
        )
        assert encoder.encode_query(TEXTS) == pytest.approx(vectors, abs=1e-5)

    def test_a_prompt_an_argument_or_the_row_says_which_stack(self, model):
        encoder = model.as_sentence_transformer({"cipher": "0.5*lang:cipher", "bare": "lang:cipher"})
        for stack, vectors in (
            ("0.5*lang:cipher", encoder.encode(TEXTS, prompt_name="cipher")),
            ("lang:cipher", encoder.encode(TEXTS, prompt_name="bare")),
            ("task:mood", encoder.encode(TEXTS, stack="task:mood")),
            ("", encoder.encode(TEXTS, stack="")),
            (STACK, encoder.encode(TEXTS)),
        ):
            assert vectors == pytest.approx(model.embed(TEXTS, stacks=stack), abs=1e-5), stack
        stacks = ["lang:cipher", "", "task:mood", "0.5*lang:cipher"]
        rows = [{"text": text, "stack": stack} for text, stack in zip(TEXTS, stacks, strict=True)]
        assert encoder.encode(rows) == pytest.approx(model.embed(TEXTS, stacks=stacks), abs=1e-5)
        assert encoder.encode(["day"], prompt="happy ") == pytest.approx(model.embed(["happy day"]), abs=1e-5)
        with pytest.raises(lect.UserError, match='there is no component "lang:nowhere"'):
            encoder.encode(TEXTS, stack="lang:nowhere")

    def test_saved_it_is_loaded_without_the_components_or_trust_in_code(self, model, tmp_path, monkeypatch):
        import sentence_transformers

        from lect.api.sentence_transformers import load_sentence_transformer

        encoder = model.as_sentence_transformer({"cipher": "0.5*lang:cipher"})
        encoder.max_seq_length = 12
        encoder.save(str(tmp_path / "saved"))
        said = json.loads((tmp_path / "saved" / "lect.json").read_text("utf-8"))
        assert said["stack"] == STACK and said["max_seq_length"] == 12
        assert not list((tmp_path / "saved").glob("*.py")) and not list((tmp_path / "saved").glob("*.safetensors"))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        ways = [load_sentence_transformer]
        # From version 6 on, `SentenceTransformer` itself asks for trust in whatever module is not its own.
        ways += [sentence_transformers.SentenceTransformer] if sentence_transformers.__version__ < "6" else []
        for way in ways:
            again = way(str(tmp_path / "saved"))
            assert again.max_seq_length == 12
            assert again.encode(TEXTS) == pytest.approx(encoder.encode(TEXTS), abs=1e-5)
            assert again.encode(TEXTS, prompt_name="cipher") == pytest.approx(
                encoder.encode(TEXTS, prompt_name="cipher"), abs=1e-5
            )
        with pytest.raises(lect.UserError, match="this is no SentenceTransformer with a stack of lect"):
            load_sentence_transformer(tmp_path)


@pytest.mark.slow
class TestMteb:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("mteb", reason=HEAVY)

    def test_evaluates_a_stack_and_each_language_by_its_own(self, model, tmp_path):
        import mteb
        from datasets import Dataset, DatasetDict
        from mteb.abstasks.sts import AbsTaskSTS
        from mteb.abstasks.task_metadata import TaskMetadata
        from mteb.cache import ResultCache
        from scipy.stats import spearmanr

        first, second = [*TEXTS, *TEXTS], [*TEXTS[1:], "a day", "the happy", "grim and cold", *TEXTS[:2]]
        scores = [1.0, 0.9, 0.8, 0.7, 0.1, 0.3, 0.2, 0.0]

        class LocalSTS(AbsTaskSTS):
            metadata = TaskMetadata(
                name="LocalSTS",
                description="made by a test",
                dataset={"path": "local", "revision": "1"},
                type="STS",
                category="t2t",
                modalities=["text"],
                eval_splits=["test"],
                eval_langs={"jav": ["jav-Latn"], "eng": ["eng-Latn"]},
                main_score="cosine_spearman",
                reference=None,
                date=("2020-01-01", "2020-01-02"),
                domains=[],
                task_subtypes=[],
                license="cc0-1.0",
                annotations_creators="derived",
                dialect=[],
                sample_creation="found",
                bibtex_citation="",
            )
            min_score, max_score = 0, 1

            def load_data(self, **_):
                rows = Dataset.from_dict({"sentence1": first, "sentence2": second, "score": scores})
                self.dataset = {language: DatasetDict({"test": rows}) for language in ("jav", "eng")}
                self.data_loaded = True

        def measured(encoder, folder):
            result = mteb.evaluate(encoder, LocalSTS(), cache=ResultCache(tmp_path / folder), show_progress_bar=False)
            (task,) = result.task_results
            return {each["hf_subset"]: each["main_score"] for each in task.scores["test"]}

        def expected(stack):
            pairs = zip(*(model.embed(rows, stacks=stack, normalize=True) for rows in (first, second)), strict=True)
            return pytest.approx(spearmanr([float(a @ b) for a, b in pairs], scores).statistic, abs=1e-4)

        by_language = measured(model.as_mteb_encoder({"Javanese": "lang:cipher"}), "by language")
        assert by_language == {"jav": expected("lang:cipher"), "eng": expected(STACK)}
        assert model.as_mteb_encoder().stacks == {"en": "lang:cipher + task:mood"}
        plain = measured(model.as_sentence_transformer(), "plain")
        assert plain == {"jav": expected(STACK), "eng": expected(STACK)}
        with pytest.raises(lect.UserError, match='there is no component "lang:nowhere"'):
            model.as_mteb_encoder({"jv": "lang:nowhere"})


SHORT, LABELS = ["a great day", "the grim cold", "a happy, warm day", "a sad, dark day"] * 8, [7, 3] * 16
QUICK = {"epochs": 30, "batch_size": 4, "learning_rate": 1e-2, "precision": "float32"}


@pytest.mark.slow
class TestScikitLearn:
    @pytest.fixture
    def classifier(self, workspace):
        return lect.TaskClassifier(backbone="backbone", layers="all", training=QUICK)

    def test_fits_predicts_and_is_pickled(self, classifier, tmp_path, trained):
        import pickle

        from sklearn.exceptions import NotFittedError

        with pytest.raises(NotFittedError):
            classifier.predict(TEXTS)
        assert classifier.fit(SHORT, LABELS) is classifier
        assert classifier.classes_.tolist() == [3, 7] and classifier.component_.manifest.head.labels == ("3", "7")
        shares = classifier.predict_proba(np.array(TEXTS))
        assert shares.shape == (4, 2) and shares.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
        assert classifier.predict(np.array([TEXTS]).T).tolist() == classifier.classes_[shares.argmax(axis=1)].tolist()
        assert classifier.score(SHORT, LABELS) > 0.9
        assert classifier.predict_proba(TEXTS[:1:-1]) == pytest.approx(shares[:1:-1], abs=1e-5)
        assert classifier.predict([]).shape == (0,) and classifier.get_params()["training"] == QUICK
        again = pickle.loads(pickle.dumps(classifier))
        assert again.predict_proba(TEXTS) == pytest.approx(shares, abs=1e-6)
        classifier.set_params(stack="lang:cipher", library=tmp_path / "own", training={**QUICK, "epochs": 1})
        with pytest.raises(lect.UserError, match='there is no component "lang:cipher"'):
            classifier.fit(SHORT, LABELS)
        classifier.set_params(stack=f"({trained / 'lang' / 'cipher'})").fit(SHORT, LABELS)
        assert lect.components(tmp_path / "own")[0].key == "task:classifier"

    def test_is_cloned_searched_over_and_a_step_of_a_pipeline(self, classifier):
        from sklearn.base import clone
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import FunctionTransformer

        lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
        steps = Pipeline([("lower", lower), ("task", classifier)])
        scores = cross_val_score(steps, [text.upper() for text in SHORT], LABELS, cv=2)
        assert scores.mean() > 0.9
        some = [{**QUICK, "epochs": epochs} for epochs in (1, 2)]
        search = GridSearchCV(classifier, {"training": some}, cv=2, refit=False).fit(SHORT, LABELS)
        assert search.cv_results_["params"] == [{"training": each} for each in some]
        assert clone(classifier).get_params() == classifier.get_params()

    def test_what_is_wrong_is_said(self, classifier):
        for rows, labels, said in (
            (SHORT, LABELS[:-1], "there are 32 rows and labels of the shape"),
            (SHORT, [1] * 32, "the rows have 1 label, and a task needs two"),
            (np.ones((32, 1)), LABELS, "row 1: the text is 1.0 of type float"),
            (["a text"] * 31 + [float("nan")], LABELS, "row 32: the text is missing"),
            ("a text", ["a"], "several rows are due"),
        ):
            with pytest.raises(lect.DataError, match=said):
                classifier.fit(rows, labels)

    def test_keeps_the_rules_of_scikit_learn_that_are_not_about_numbers(self, classifier):
        from sklearn.utils import estimator_checks

        for check in (
            "check_do_not_raise_errors_in_init_or_set_params",
            "check_estimator_cloneable",
            "check_estimator_repr",
            "check_estimator_tags_renamed",
            "check_get_params_invariance",
            "check_mixin_order",
            "check_no_attributes_set_in_init",
            "check_parameters_default_constructible",
            "check_set_params",
            "check_valid_tag_types",
        ):
            getattr(estimator_checks, check)("TaskClassifier", classifier)


RECIPE = {
    "component": {"name": "moods", "role": "task", "languages": ["en"]},
    "backbone": {"name": "backbone"},
    "parts": [{"method": "full"}],
    "head": {"kind": "classification"},
    "objective": {"name": "supervised"},
    "training": {"precision": "float32", "epochs": 99},
}
ROWS = [{"text": f"{text} {number}", "mood": "bad" if index % 2 else "good"} for number in range(12)
        for index, text in enumerate(TEXTS)]  # fmt: skip


@pytest.mark.models
class TestTrainer:
    def arguments(self, **others):
        from transformers import TrainingArguments

        common = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "logging_steps": 1, "seed": 3}
        return TrainingArguments("out", **{**common, **others})

    def test_the_loop_of_hugging_face_trains_the_component_alone(self, workspace, trained):
        from transformers import Trainer

        parts = lect.for_trainer(RECIPE, ROWS, validation=ROWS[:8], label="mood")
        frozen = {name: tensor.clone() for name, tensor in parts.model._routed.encoder.named_parameters()}
        counted = sum(parameter.numel() for parameter in parts.model.parameters() if parameter.requires_grad)
        trainer = Trainer(
            args=self.arguments(
                gradient_checkpointing=True,
                num_train_epochs=6,
                per_device_train_batch_size=8,
                learning_rate=3e-3,
                eval_strategy="epoch",
            ),
            compute_metrics=lambda given: {"accuracy": (given.predictions.argmax(-1) == given.label_ids).mean()},
            **parts.arguments,
        )
        trainer.train()
        history = trainer.state.log_history
        losses = [each["loss"] for each in history if "loss" in each]
        assert len(losses) == 36 and losses[-1] < 0.5 * losses[0]
        assert history[-2]["eval_accuracy"] == 1.0 and history[-2]["eval_loss"] < losses[0]
        encoder = parts.model._routed.encoder
        assert all(frozen[name].equal(tensor) for name, tensor in encoder.named_parameters())
        from safetensors.torch import load_file

        kept = load_file(f"out/checkpoint-{trainer.state.global_step}/model.safetensors")
        assert sum(tensor.numel() for tensor in kept.values()) == counted
        component = parts.save(trainer)
        said = component.manifest.training
        assert said.steps == 36 and said.epochs == 6 and said.seed == 3 and "learning_rate = 0.003" in said.recipe
        assert {result.metric: result.value for result in component.manifest.results}["macro_f1"] == 1.0
        with lect.load(str(component), backbone="backbone") as model:
            assert model.predict(TEXTS).values == ["good", "bad", "good", "bad"]

    def test_goes_on_from_a_checkpoint_and_learns_a_language(self, workspace):
        from transformers import Trainer

        recipe = {
            "component": {"name": "spoken", "role": "lang", "languages": ["en"]},
            "backbone": {"name": "backbone"},
            "parts": [{"method": "bottleneck", "reduction_factor": 2}],
            "objective": {"name": "alignment", "contrast": 1.0},
            "training": {"precision": "float32"},
        }
        rows = [{"text": f"xbsn boe csjhiu {n}", "translation": f"warm and bright {n}"} for n in range(16)]
        options = {"per_device_train_batch_size": 4, "learning_rate": 5e-3, "save_steps": 4}
        parts = lect.for_trainer(recipe, rows)
        Trainer(args=self.arguments(max_steps=8, **options), **parts.arguments).train()
        whole = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
        parts = lect.for_trainer(recipe, rows)
        trainer = Trainer(args=self.arguments(max_steps=8, **options), **parts.arguments)
        trainer.train(resume_from_checkpoint="out/checkpoint-4")
        assert all(np.allclose(whole[name], tensor, atol=1e-5) for name, tensor in parts.model.state_dict().items())
        assert parts.save(trainer).key == "lang:spoken"

    def test_meta_learning_is_for_the_other_loop(self, workspace):
        sources = [{"reader": "csv", "path": path, "label": "label"} for path in ("train.csv", "valid.csv")]
        recipe = {**RECIPE, "training": {"meta": {"method": "reptile"}}, "data": {"train": sources}}
        with pytest.raises(lect.RecipeError, match="meta-learning needs the loop of lect"):
            lect.for_trainer(recipe)


@pytest.mark.models
class TestPipelines:
    def test_text_classification_is_what_the_real_pipeline_gives_of_equal_weights(self, model, workspace, trained):
        import torch
        import transformers

        from lect.engine.merge import merge_stack
        from lect.host import Host
        from lect.storage.library import Library

        merge_stack(STACK, workspace.folder / "merged", Host.load(), Library((trained,)), backbone="backbone")
        head = model._default.head

        class XLMRobertaForSequenceClassification(transformers.XLMRobertaPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.roberta = transformers.XLMRobertaModel(config, add_pooling_layer=False)
                self.post_init()

            def forward(self, input_ids=None, attention_mask=None, **_):
                hidden = self.roberta(input_ids, attention_mask=attention_mask).last_hidden_state
                return transformers.modeling_outputs.SequenceClassifierOutput(logits=head(hidden, attention_mask))

        config = transformers.AutoConfig.from_pretrained("merged")
        config.id2label = dict(enumerate(model.labels))
        plain = XLMRobertaForSequenceClassification(config).eval()
        plain.roberta = transformers.AutoModel.from_pretrained("merged", add_pooling_layer=False).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained("merged")
        pair = {"text": TEXTS[0], "text_pair": TEXTS[1]}
        calls = [
            ((TEXTS[0],), {}),
            ((TEXTS,), {}),
            ((TEXTS[0],), {"top_k": None}),
            ((TEXTS,), {"top_k": 1}),
            ((TEXTS,), {"top_k": 2, "batch_size": 2}),
            ((pair,), {}),
            (([pair, pair],), {"top_k": None}),
        ]
        for options in ({}, {"top_k": 2}):
            real = transformers.TextClassificationPipeline(model=plain, tokenizer=tokenizer, device="cpu", **options)
            ours = model.as_pipeline("text-classification", **options)
            for given, named in calls:
                with torch.no_grad():
                    alike(ours(*given, **named), real(*given, **named))
            alike(list(ours(text for text in TEXTS)), list(real(text for text in TEXTS)))
        assert model.as_pipeline()([]) == []
        features = transformers.FeatureExtractionPipeline(model=plain.roberta, tokenizer=tokenizer, device="cpu")
        own = model.as_pipeline("feature-extraction")
        for given in (TEXTS[0], TEXTS):
            assert flat(own(given)) == pytest.approx(flat(features(given)), abs=1e-4)
        assert own(TEXTS[0], return_tensors=True).shape == features(TEXTS[0], return_tensors=True).shape

    def test_streams_data_sets_and_each_row_its_stack(self, model):
        from datasets import Dataset
        from transformers.pipelines.pt_utils import KeyDataset

        ours, read = model.as_pipeline(), []
        assert ours.task == "text-classification"
        whole = ours(TEXTS)
        rows = Dataset.from_dict({"text": TEXTS, "id": range(4)})
        alike(list(ours(rows)), whole)
        alike(list(ours(KeyDataset(rows, "text"))), whole)

        def endless():
            for number in count():
                read.append(number)
                yield TEXTS[number % 4]

        stream = ours(endless())
        alike([next(stream) for _ in TEXTS], whole)
        assert len(read) < 1000
        stacks = [STACK, "task:mood", STACK, "task:mood"]
        mixed = ours(TEXTS, stacks=stacks, top_k=None)
        for found, prediction in zip(mixed, model.predict(TEXTS, stacks=stacks), strict=True):
            assert {each["label"]: each["score"] for each in found} == pytest.approx(dict(prediction.scores), abs=1e-5)

    def test_words_entities_and_answers(self, workspace):
        import transformers

        words = ["the", "happy", "house", "and", "sad", "water"]
        tags = ["O", "O", "B-LOC", "O", "O", "B-LOC"]
        rows = [{"text": " ".join(words), "words": words, "tags": tags}] * 16
        quick = {"epochs": 12, "learning_rate": 1e-2, "precision": "float32"}
        options = {"backbone": "backbone", "training": quick}
        places = lect.teach_task(rows, "places", head="tagging", **options)
        with lect.load(str(places), backbone="backbone") as model:
            ours = model.as_pipeline("ner")
            real = transformers.pipeline(
                "token-classification",
                model=transformers.XLMRobertaForTokenClassification(
                    transformers.AutoConfig.from_pretrained("backbone", num_labels=2, id2label={0: "B-LOC", 1: "I-LOC"})
                ),
                tokenizer=transformers.AutoTokenizer.from_pretrained("backbone"),
                device="cpu",
            )
            text = " ".join(words)
            found = ours(text)
            assert found[0].keys() == real(text)[0].keys()
            assert [(each["entity"], each["index"], each["start"], each["end"]) for each in found] == [
                ("B-LOC", 3, 10, 15),
                ("B-LOC", 6, 24, 29),
            ]
            grouped = ours(text, aggregation_strategy="simple")
            assert grouped[0].keys() == real(text, aggregation_strategy="simple")[0].keys()
            assert [(each["entity_group"], each["word"]) for each in grouped] == [("LOC", "house"), ("LOC", "water")]
            assert all(text[each["start"] : each["end"]] == each["word"] for each in grouped)
            assert ours([text, text]) == [found, found] and len(ours(text, ignore_labels=[])) == 6
            with pytest.raises(lect.UserError, match='there is no aggregation strategy "frst"; did you mean "first"'):
                ours(text, aggregation_strategy="frst")
        context = "the happy house and sad water"
        rows = [{"text": context, "question": "the house", "answers": [{"text": "house", "start": 10}]}] * 16
        asked = lect.teach_task(rows, "asked", head="qa", **options)
        with lect.load(str(asked), backbone="backbone") as model:
            ours = model.as_pipeline("question-answering")
            found = ours(question="the house", context=context)
            assert found.keys() == {"score", "start", "end", "answer"} and 0 < found["score"] <= 1
            assert context[found["start"] : found["end"]] == found["answer"]
            assert found["answer"] == model.predict({"text": context, "question": "the house"}).value
            assert ours({"question": "the house", "context": context}) == found
            assert ours(question=["the house"] * 2, context=context) == [found, found]
            best = ours(question="the house", context=context, top_k=3)
            assert len(best) == 3 and best[0] == found
            with pytest.raises(lect.DataError, match="row 1: the row has no context"):
                ours([{"question": "the house"}])

    def test_translation(self, workspace):
        from lect.testing.backbones import save_tiny_backbone

        save_tiny_backbone(workspace.folder / "writer", "m2m_100", generates=True)
        head = {"kind": "translation", "source_code": "__en__", "target_code": "__id__", "longest": 4}
        quick = {"epochs": 1, "precision": "float32"}
        rows = [{"text": "house", "translation": "water"}, {"text": "day", "translation": "year"}]
        made = lect.teach_task(rows, "job", head=head, backbone="writer", training=quick)
        with lect.load(str(made), backbone="writer") as model:
            ours = model.as_pipeline("translation_en_to_id")
            written = model.predict(["house", "day"]).values
            assert ours("house") == [{"translation_text": written[0]}]
            assert ours(["house", "day"], src_lang="en") == [{"translation_text": text} for text in written]

    def test_a_task_that_the_head_is_not_for(self, model):
        with pytest.raises(
            lect.UserError,
            match='the head "classification" makes no pipeline "ner"; ask for text-classification or feature-ex',
        ):
            model.as_pipeline("ner")
        with pytest.raises(
            lect.UserError, match='"text-classification" has no option "topk" here; did you mean "top_k"'
        ):
            model.as_pipeline("text-classification")(TEXTS, topk=2)
        with lect.load(backbone="backbone") as bare:
            assert bare.as_pipeline().task == "feature-extraction"
            with pytest.raises(lect.UserError, match="a stack without a head makes no pipeline"):
                bare.as_pipeline("text-classification")


def alike(ours, real):
    """Equal in shape, keys and order; and in numbers, but for their last digits."""
    assert type(ours) is type(real), (ours, real)
    if isinstance(real, dict):
        assert list(ours) == list(real)
        for key in real:
            alike(ours[key], real[key])
    elif isinstance(real, list):
        assert len(ours) == len(real), (ours, real)
        for one, other in zip(ours, real, strict=True):
            alike(one, other)
    else:
        assert ours == (pytest.approx(real, abs=1e-4) if isinstance(real, float) else real)


def flat(nested):
    return [value for each in nested for value in flat(each)] if isinstance(nested, list) else [nested]
