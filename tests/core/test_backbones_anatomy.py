"""The table of families against what the models really compute."""

import pytest
import torch
from torch import nn

from lect.backbones.anatomy import FAMILIES, check_family, read_anatomy
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import BackboneError
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

pytestmark = pytest.mark.models

TEXTS = ["the people of this city", "a long day", "bukan kata itu, tapi yang lain"]


class Recorder:
    """Inputs and outputs of some modules in one pass."""

    def __init__(self, backbone, paths):
        self.inputs, self.outputs, self._hooks = {}, {}, []
        for path in paths:
            module = backbone.module(path)
            self._hooks.append(module.register_forward_pre_hook(self._keep_input(path), with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._keep_output(path)))
        rows = RowEncoder(RoutedModel(backbone)).encode(TEXTS, [()] * len(TEXTS))
        with torch.no_grad():
            self.last = backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
        for hook in self._hooks:
            hook.remove()

    def _keep_input(self, path):
        def keep(_module, inputs, named):
            self.inputs[path] = inputs[0] if inputs else next(iter(named.values()))

        return keep

    def _keep_output(self, path):
        def keep(_module, _inputs, output):
            self.outputs[path] = output[0] if isinstance(output, tuple) else output

        return keep

    def tapped(self, tap):
        return {"input": self.inputs, "output": self.outputs}[tap.kind][tap.module]


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def backbone(request):
    return tiny_backbone(request.param, layers=3)


@pytest.fixture(scope="module")
def passed(backbone):
    return Recorder(backbone, [path for path, _ in backbone.model.named_modules() if path])


def test_every_family_of_the_table_is_tested():
    assert set(TINY_FAMILIES) == set(FAMILIES)


def test_output_and_residual_are_what_the_layer_goes_on_with(backbone, passed):
    layers = backbone.anatomy.layers
    assert len(layers) == 3
    for index, layer in enumerate(layers):
        prefix = layer.attention.residual.module
        for sublayer in (layer.attention, layer.feed_forward):
            total = passed.outputs[sublayer.output] + passed.tapped(sublayer.residual)
            if sublayer.norm is not None:
                total = backbone.module(sublayer.norm)(total)
                torch.testing.assert_close(total, passed.outputs[sublayer.norm])
            if sublayer is layer.attention:
                # Both kinds of layer add to the feed-forward block what the attention block gave.
                torch.testing.assert_close(total, passed.tapped(layer.feed_forward.residual))
            else:
                torch.testing.assert_close(total, passed.outputs[prefix])
                if index + 1 < len(layers):
                    torch.testing.assert_close(total, passed.inputs[layers[index + 1].attention.residual.module])


def test_the_projections_alone_carry_what_a_layer_adds(backbone, passed):
    """With both projections silenced, a layer gives its input back (through its own norms)."""
    layer = backbone.anatomy.layers[1]
    prefix = layer.attention.residual.module
    hooks = [
        backbone.module(sublayer.output).register_forward_hook(lambda _m, _i, output: torch.zeros_like(output))
        for sublayer in (layer.attention, layer.feed_forward)
    ]
    silenced = Recorder(backbone, [prefix])
    for hook in hooks:
        hook.remove()
    expected = silenced.inputs[prefix]
    for sublayer in (layer.attention, layer.feed_forward):
        if sublayer.norm is not None:
            expected = backbone.module(sublayer.norm)(expected)
    torch.testing.assert_close(silenced.outputs[prefix], expected)


def test_the_embeddings_enter_the_first_layer(backbone, passed):
    anatomy = backbone.anatomy
    first = anatomy.layers[0].attention.residual
    assert isinstance(backbone.module(anatomy.word_embedding), nn.Embedding)
    assert passed.inputs[anatomy.word_embedding].dtype == torch.long
    if anatomy.embeddings is None:
        assert backbone.model.config.model_type in ("gemma", "gemma2")
        return
    if backbone.model.config.model_type == "m2m_100":
        # The positions, which are added outside of any module, are the same in every row.
        added = passed.tapped(first) - passed.outputs[anatomy.embeddings]
        torch.testing.assert_close(added[0, :4], added[1, :4])
    else:
        torch.testing.assert_close(passed.outputs[anatomy.embeddings], passed.tapped(first))
    assert passed.outputs[anatomy.embeddings].shape[-1] == anatomy.hidden_size


def test_linears_are_all_projections_in_the_layers(backbone):
    anatomy = backbone.anatomy
    for path in anatomy.linears:
        assert isinstance(backbone.module(path), nn.Linear)
    for layer in anatomy.layers:
        ends = {layer.attention.projection, layer.feed_forward.projection}
        # GPT-2 has a kind of projection of its own.
        assert not anatomy.linears if backbone.name == "tiny-gpt2" else ends <= set(anatomy.linears)
    every = [path for path, module in backbone.model.named_modules() if isinstance(module, nn.Linear)]
    outside = set(every) - set(anatomy.linears)
    assert not [path for path in outside if any(part.isdigit() for part in path.split("."))]
    assert len(set(anatomy.linears)) == len(anatomy.linears)


def test_another_kind_of_model_is_refused_by_name():
    from transformers import GPTNeoConfig, GPTNeoModel

    model = GPTNeoModel(
        GPTNeoConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=1, attention_types=[[["global"], 1]])
    )
    with pytest.raises(BackboneError, match=r'type "gpt_neo" cannot carry components yet; use one .*xlm-roberta'):
        read_anatomy(model)


def test_a_family_that_is_often_meant_is_answered_with_what_to_use():
    with pytest.raises(BackboneError, match=r'type "gemma3" .*; name one that reads text alone, of type gemma3_text'):
        check_family("gemma3")


def test_a_whole_encoder_decoder_is_refused():
    from transformers import T5Config, T5Model

    model = T5Model(T5Config(vocab_size=10, d_model=8, d_kv=4, num_heads=2, d_ff=8, num_layers=1))
    with pytest.raises(BackboneError, match="of an encoder-decoder the encoder"):
        read_anatomy(model)


def test_the_word_embedding_gives_its_rows_times_the_scale(backbone, passed):
    anatomy = backbone.anatomy
    table = backbone.module(anatomy.word_embedding)
    expected = nn.functional.embedding(passed.inputs[anatomy.word_embedding], table.weight) * anatomy.scale
    torch.testing.assert_close(passed.outputs[anatomy.word_embedding], expected)


def test_shared_modules_are_those_that_get_no_rows(backbone, passed):
    rows = len(TEXTS)
    for path in backbone.anatomy.shared:
        assert passed.inputs[path].shape == passed.inputs[path].shape[:1] * 2 != (rows, rows)
