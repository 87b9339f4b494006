"""Well-known multilingual models of the Hugging Face hub, with facts as their authors state them.

Nothing here is fetched or checked against the hub; `lect backbones show ID` loads a model and says what it is. A model
that is not listed works as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Use = Literal["vectors", "encoder"]
"""Whether a model was trained to give sentence vectors, or is a plain encoder."""

# The 100 languages of XLM-R (Conneau et al. 2020, table 6), without its romanised ones.
_CC100 = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
# The 104 languages of multilingual BERT, cased (its repository, multilingual.md).
_WIKIPEDIA = (
    "af an ar ast az azb ba bar be bg bn bpy br bs ca ce ceb cs cv cy da de el en es et eu fa fi fr fy ga gl gu he hi "
    "hr ht hu hy id io is it ja jv ka kk kn ko ky la lb lmo lt lv mg min mk ml mn mr ms my nds ne new nl no oc pa pl "
    "pms pnb pt ro ru scn sco sk sl sq sr su sv sw ta te tg th tl tr tt uk ur uz vi vo war yo zh"
)


@dataclass(frozen=True)
class KnownModel:
    """A model of the hub.

    Args:
        parameters: in all, in millions.
        embedding: of these in the embedding of tokens, in millions.
        layers, hidden: of the transformer.
        tokens: the tokenizer's family: models of one family cut a text the same way.
        languages: tags of those it was trained on, "" where there are too many to list here.
        count: how many languages its authors name.
        local: the name under which a plugin brings the same model.
    """

    id: str
    licence: str
    parameters: float
    embedding: float
    layers: int
    hidden: int
    tokens: str
    use: Use
    count: int
    languages: str = ""
    local: str | None = None


KNOWN: tuple[KnownModel, ...] = (
    KnownModel(
        "intfloat/multilingual-e5-small", "MIT", 118, 96, 12, 384, "xlm-roberta", "vectors", 100, _CC100, "e5-small"
    ),
    KnownModel("intfloat/multilingual-e5-base", "MIT", 278, 192, 12, 768, "xlm-roberta", "vectors", 100, _CC100),
    KnownModel("intfloat/multilingual-e5-large", "MIT", 560, 256, 24, 1024, "xlm-roberta", "vectors", 100, _CC100),
    KnownModel("BAAI/bge-m3", "MIT", 568, 256, 24, 1024, "xlm-roberta", "vectors", 100, _CC100),
    KnownModel("FacebookAI/xlm-roberta-base", "MIT", 278, 192, 12, 768, "xlm-roberta", "encoder", 100, _CC100),
    KnownModel("FacebookAI/xlm-roberta-large", "MIT", 560, 256, 24, 1024, "xlm-roberta", "encoder", 100, _CC100),
    KnownModel("microsoft/mdeberta-v3-base", "MIT", 278, 193, 12, 768, "mdeberta", "encoder", 100, _CC100),
    KnownModel(
        "google-bert/bert-base-multilingual-cased",
        "Apache-2.0", 178, 92, 12, 768, "mbert", "encoder", 104, _WIKIPEDIA,
    ),
    KnownModel(
        "distilbert/distilbert-base-multilingual-cased",
        "Apache-2.0", 135, 92, 6, 768, "mbert", "encoder", 104, _WIKIPEDIA,
    ),
    KnownModel("sentence-transformers/LaBSE", "Apache-2.0", 471, 385, 12, 768, "labse", "vectors", 109),
    KnownModel("cis-lmu/glot500-base", "Apache-2.0", 395, 308, 12, 768, "glot500", "encoder", 511),
    KnownModel("jhu-clsp/mmBERT-small", "MIT", 140, 98, 22, 384, "gemma2", "encoder", 1833),
    KnownModel("jhu-clsp/mmBERT-base", "MIT", 307, 197, 22, 768, "gemma2", "encoder", 1833),
)  # fmt: skip
