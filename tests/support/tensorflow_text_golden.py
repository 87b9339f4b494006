"""Writes what tensorflow_text makes of some hundred hard lines, so that tests can compare without it.

PYTHONPATH=tests/support python tests/support/tensorflow_text_golden.py tests/golden/tensorflow
"""

# ruff: noqa: E501

from __future__ import annotations

import json
import random
import sys
import zipfile
from pathlib import Path

from tensorflow_text_parity import KINDS, reference

WRITTEN = [
    "", " ", "\t\n", "a", "The quick brown fox can't jump.", "  spaces   in  between ", "tab\tand\nline\r\nend",
    "CAPITALS and ÀÉÎÕÜ, accents: café naïve cafe\u0301 nai\u0308ve", "ẞ ß SS ﬁ ﬂ ﬀ ŉ ǰ ΐ ΰ İI ıi Σίσυφος ΣΑΣ",
    "ᾳ ᾼ \u0345α α\u0345 Ωμέγα \u1f88", "Å Å A\u030a Ω Ω K K", "x\u0301x\u0301\u0323x\u0323\u0301 q\u0307\u0323", "Ǆ ǅ ǆ ĳ ŀ ½ ⅖ ² ₂ ™ ℃ № ㎏ ㌔ ㋿",
    "[CLS] [SEP] [MASK] [UNK] [PAD] [unused1] <s> </s> <unk>", "a-b_c/d\\e|f~g`h^i", "$5 + 3 = 8 < 9 > 7 %", "«guillemets» “quotes” ‘single’ „low‟ ‹x›",
    "…—–‒―‐‑ ¡hola! ¿qué? §5 ¶ ©2024 ®", "中文字符和English混合", "日本語テキスト、カタカナ ｶﾀｶﾅ ｶﾞ カ\u3099 がか\u3099", "한국어 각 \u1100\u1161\u11a8 ㄱㅏ ﾡﾢ 값없이",
    "ภาษาไทยเขียนติดกัน", "ພາສາລາວ", "བོད་སྐད་ ཡིག་།", "မြန်မာဘာသာ", "ភាសាខ្មែរ", "हिन्दी में लिखा क़ क\u093c ड़", "বাংলা ো \u09c7\u09be ৌ \u09c7\u09d7 য়", "தமிழ் கொ \u0bc6\u0bbe",
    "മലയാളം ൊ ൻ ന\u0d4d\u200d", "עִבְרִית שׁ ש\u05c1 שּׁ", "العَرَبِيَّة لا ﷺ ﻻ ﷲ شَدَّة ّ\u064e", "ߒߞߏ ߞߊ߲ߜߍ ߟߊ߫", "አማርኛ፡ ቃላት።", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "ᏣᎳᎩ ꭰꭱ", "հայերեն և ﬓ",
    "𝐁𝐨𝐥𝐝 𝒮𝒸𝓇𝒾𝓅𝓉 𝟘𝟙", "🙂 👨‍👩‍👧 👍🏽 🇫🇮 ❤️", "𞤀𞤁𞤂 𞤢", "𐐀𐐨 𐓀", "𓀀𓂀", "𠀀𪜀𫝀 𬺰", "豈更車 﨎 ⼀⺀", "zero\u200bwidth soft\u00adhyphen \ufeffbom word\u2060joiner", "nb\u00a0space em\u2003space ideo\u3000graphic \u2028line \u2029para \u0085nel",
    "control\x00nul \x01\x07\x1f \x7f \x9f", "\u202aleft\u202c \u2066iso\u2069", "\ufdd0\ufdd1\uffff\ufffe \U0010ffff \ue000", "\u0300 leading mark \u0300\u0301", "a\u0488b c\u20ddd \u0903", "᎐ ៖ ៗ ᠆ ⸺ ﹏ ＿ ～ ｀ ＄ ＋ ￠",
    "e\u0302\u0301 e\u0301\u0302 ế e\u0323\u0302 ệ e\u0302\u0323", "ñ n\u0303 ɛ\u0308 ɔ\u0301 ŋ\u0300", "#hash ##ab @at ab##", "don't DON'T o'clock l'été", "x" * 100, "x" * 101, "é" * 50, "é" * 51, "ก" * 33, "ก" * 34, "😀" * 25, "😀" * 26,
    "x" + "é" * 49 + "x", "x" + "é" * 50, "x" * 2 + "ก" * 33, "x" + "ก" * 33, "é" * 2 + "ก" * 32 + "x", "short " + "ก" * 40 + " end", "a." * 60, "漢" * 40, "x" * 60 + "." + "x" * 60, "ｘ" * 40, "ﬃ" * 34, "à" * 60, "a\u0300" * 60,
    "𑎑 \U00011391 \U0001611f\U00016129", "ꙁꙀ ᲀ Ᲊ", "ſ ẛ ẛ\u0323 ſt", "ͅ ΄ ΅ ´ ¨ ¯ ¸", "\u1d160 𝅗𝅥 𝅘𝅥𝅮", "٠١٢ ۱۲۳ १२३ 123 １２３", "a\u200db \u200c \u200e", "\u2061\u2062 \U000e0041", "᠎ ㅤ ﾠ \u115f \u17b4",
]  # fmt: skip
VOCABULARY_TEXT = "the quick brown fox can jump a ab abc caf cafe naive ss sigma x xx é ก ภ า 中 文 日 한 각 ሀ क ب ა . , ! ? ' - [ ] # ▁"


def lines() -> list[str]:
    """Those written above, and some put together at random of their characters."""
    numbers = random.Random(20)
    characters = sorted({character for line in WRITTEN for character in line})
    mixed = []
    for _ in range(160):
        words = ("".join(numbers.choices(characters, k=numbers.randint(1, 7))) for _ in range(numbers.randint(1, 5)))
        mixed.append(numbers.choice([" ", " ", "", "\u00a0"]).join(words))
    return WRITTEN + mixed


def vocabulary() -> list[str]:
    """Special tokens, some words, and most letters of the lines, at the beginning of a word and within."""
    letters = sorted({character for line in WRITTEN for character in line if character.isalnum()})
    folded = sorted({each for character in letters for each in character.casefold()} | set(letters))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", *VOCABULARY_TEXT.split()]
    pieces = [*words, "##at", "##n", "##ing", "##e", "##xx", *folded[::2], *(f"##{letter}" for letter in folded[::3])]
    return list(dict.fromkeys(pieces))


def main() -> None:
    """Write the vocabulary, the lines, what each tokenizer gives, and two models of SentencePiece."""
    import sentencepiece
    import tensorflow as tf
    import tensorflow_text

    target = Path(sys.argv[1])
    texts, tokens = lines(), vocabulary()
    given = []
    for kind, lower_case in KINDS:
        named = {"lower_case": True} if lower_case else {}
        given.append({"tokenizer": kind, **named, "rows": reference(kind, tokens, **named)(texts)})
    whole = {"no_pretokenization": True}
    given.append(
        {
            "tokenizer": "FastWordpieceTokenizer",
            **whole,
            "rows": reference("FastWordpieceTokenizer", tokens, **whole)(texts),
        }
    )
    short = {"max_bytes_per_word": 7, "unknown_token": "x", "lower_case": True, "preserve_unused_token": True}
    given.append({"tokenizer": "BertTokenizer", **short, "rows": reference("BertTokenizer", tokens, **short)(texts)})
    for form in ("NFC", "NFKC", "NFD", "NFKD"):
        named = {"normalization_form": form}
        given.append(
            {"tokenizer": "BertTokenizer", **named, "rows": reference("BertTokenizer", tokens, **named)(texts)}
        )
    models = {}
    for kind, more in {"unigram": {"pad_id": 3}, "bpe": {"byte_fallback": True, "pad_id": 3}}.items():
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([line for line in texts if line.strip()] * 3),
            model_prefix=f"/tmp/{kind}",
            model_type=kind,
            vocab_size=1500 if kind == "unigram" else 1600,
            hard_vocab_limit=False,
            character_coverage=0.98,
            num_threads=1,
            minloglevel=2,
            normalization_rule_name="nmt_nfkc" if kind == "unigram" else "identity",
            **more,
        )
        models[kind] = Path(f"/tmp/{kind}.model").read_bytes()
        tokenizer = tensorflow_text.SentencepieceTokenizer(models[kind])
        found = tokenizer.tokenize_with_offsets(tf.constant([text.encode() for text in texts]))
        rows = list(zip(*(each.to_list() for each in found), strict=True))
        given.append({"tokenizer": "SentencepieceTokenizer", "model": kind, "rows": rows})
    content = {
        "versions": {"tensorflow": tf.__version__, "tensorflow_text": tensorflow_text.__version__},
        "vocabulary": tokens,
        "lines": texts,
        "given": given,
    }
    with zipfile.ZipFile(target / "text.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("text.json", json.dumps(content, ensure_ascii=True, separators=(",", ":")))
        for kind, model in models.items():
            archive.writestr(f"{kind}.model", model)


if __name__ == "__main__":
    main()
