"""Plots and pages for every eye and every script: colours that are told apart and seen, and letters that are drawn."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from lect.data.cleaning import Cleaning
from lect.data.drawing import COLOURS, DASHES, HATCHES, MARKERS, fonts_for, in_latin
from lect.data.examples import Example
from lect.data.inspection import inspect_examples
from lect.data.plots import draw_plots
from lect.evaluation.html.parts import shaded
from lect.evaluation.html.style import CSS

# What people see who lack one of the three kinds of cones (Machado, Oliveira & Fernandes 2009, severity 1).
VISIONS = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
SERVED = Path(__file__).parents[2] / "plugins/serve/lect_serve/page/page.css"


def channels(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]


def linear(values):
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def contrast(first, second):
    """Of WCAG 2: 1 for the same, 21 for black and white."""
    low, high = sorted(
        sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True))
        for each in (first, second)
    )
    return (high + 0.05) / (low + 0.05)


def mixed(colour, ground, share):
    return [share * value + (1 - share) * below for value, below in zip(colour, ground, strict=True)]


def lab(values):
    red, green, blue = (min(1.0, max(0.0, value)) for value in values)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (each ** (1 / 3) if each > 216 / 24389 else 841 / 108 * each + 4 / 29 for each in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(first, second, vision):
    """CIE 1976's: 2 is just noticed by those who look at both."""
    seen = [
        lab([sum(k * v for k, v in zip(row, linear(channels(colour)), strict=True)) for row in VISIONS[vision]])
        for colour in (first, second)
    ]
    return sum((one - other) ** 2 for one, other in zip(*seen, strict=True)) ** 0.5


def themes(css):
    """The variables of a page's style, light and dark: what is said again is for the dark."""
    said = re.findall(r"--([a-z-]+): ?(#[0-9a-f]+)", css)
    return [dict(reversed(said)), dict(said)]


@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_series_look_alike_to_anybody(vision):
    assert min(distance(one, other, vision) for one, other in combinations(COLOURS, 2)) > 14


def test_series_differ_by_more_than_their_colour():
    assert len(set(MARKERS)) == len(COLOURS) and len(set(DASHES)) == 4 and len(set(HATCHES)) == len(HATCHES)


@pytest.mark.parametrize("css", [CSS, SERVED.read_text(encoding="utf-8")], ids=["reports", "server"])
def test_colours_are_seen_and_texts_are_read_on_both_grounds(css):
    for theme in themes(css):
        back, text, dim, link = (channels(theme[name]) for name in ("back", "text", "dim", "link"))
        assert all(contrast(each, back) >= 4.5 for each in (text, dim, link))
        assert contrast(text, channels(theme["card"])) >= 4.5
        for name in ("for", "against"):
            colour = channels(theme[name])
            # The line below a word, and the word on its ground.
            assert contrast(colour, back) >= 3
            assert contrast(text, mixed(colour, back, 0.6)) >= 4.5
        assert min(distance(theme["for"], theme["against"], vision) for vision in VISIONS) > 40
    if css is CSS:
        red, green, blue, share = map(float, re.findall(r"[\d.]+", shaded("", 1.0).partition("rgba")[2])[:4])
        for theme in themes(css):
            back, text = channels(theme["back"]), channels(theme["text"])
            assert all(contrast(channels(colour), back) >= 3 for colour in COLOURS)
            assert contrast(text, mixed([red / 255, green / 255, blue / 255], back, share)) >= 4.5


@pytest.fixture
def fonts(monkeypatch):
    """Sets which fonts there are beside those of matplotlib."""
    manager = pytest.importorskip("matplotlib.font_manager")
    monkeypatch.setattr(manager.fontManager, "ttflist", list(manager.fontManager.ttflist))
    return lambda *files: monkeypatch.setattr(manager, "findSystemFonts", lambda: [str(file) for file in files])


def test_letters_that_no_font_has_are_named_in_latin_ones_and_told_of(fonts, tmp_path):
    fonts()
    name = "txt: ሰላም.txt"
    families, missing = fonts_for([name])
    assert families == ["DejaVu Sans"] and missing == set("ሰላም")
    assert in_latin(name, missing) == "txt: [Ethiopic].txt"
    told = []
    found = [
        inspect_examples(each, [Example("a text"), Example("ሰላም")], Cleaning()) for each in (name, "txt: other.txt")
    ]
    written = draw_plots(found, tmp_path, told.append)
    assert [file.name for file in written] == ["lengths.png", "scripts.png"]
    assert len(told) == 1 and "no font on this machine has letters of Ethiopic" in told[0]


@pytest.mark.filterwarnings("error:Glyph")
def test_a_font_that_has_the_letters_is_found(fonts, tmp_path):
    file = tmp_path / "ours.ttf"
    write_font(file, "Ours", "ሰላም")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    fonts(tmp_path / "broken.ttf", file)
    told = []
    assert fonts_for(["ሰላም, ߒߞߏ"]) == (["DejaVu Sans", "Ours"], set())
    draw_plots([inspect_examples("ሰላም", [Example("a text")], Cleaning())], tmp_path, told.append)
    assert told == []


def write_font(file, name, letters):
    builder = pytest.importorskip("fontTools.fontBuilder").FontBuilder(1000, isTTF=True)
    pen = pytest.importorskip("fontTools.pens.ttGlyphPen").TTGlyphPen(None)
    pen.moveTo((100, 0))
    pen.lineTo((100, 700))
    pen.lineTo((500, 0))
    pen.closePath()
    box = pen.glyph()
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    builder.setupGlyf(dict.fromkeys(names, box))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(str(file))
