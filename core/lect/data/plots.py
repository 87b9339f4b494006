"""Plots of what there is in sources: lengths, tokens per word, scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from lect.data.drawing import COLOURS, DASHES, HATCHES, fonts_for, in_latin, script_of
from lect.data.inspection import Inspection
from lect.errors import UserError

_SCRIPTS_SHOWN = 5


def draw_plots(found: Sequence[Inspection], folder: Path, tell: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Draw ``lengths.png``, ``scripts.png`` and, where texts were cut, ``tokens-per-word.png`` into a folder.

    Args:
        tell: told which scripts no font on this machine has, and that their letters are not drawn.

    Raises:
        UserError: `matplotlib` is not installed, or the folder cannot be written.
    """
    try:
        import matplotlib
    except ImportError:
        raise UserError("plots need `matplotlib`", fix='install it: pip install "lect[plots]"') from None
    families, missing = fonts_for(one.name for one in found)
    if missing:
        scripts = ", ".join(sorted({script_of(letter) for letter in missing}))
        tell(f"no font on this machine has letters of {scripts}: plots name the script; install one, such as Noto Sans")
    names = [in_latin(one.name, missing) for one in found]
    # Dollars begin mathematics.
    names = [name.replace("$", r"\$") for name in names]
    with matplotlib.rc_context({"font.family": families}):
        return _drawn(found, names, folder)


def _drawn(found: Sequence[Inspection], names: Sequence[str], folder: Path) -> list[Path]:
    from matplotlib.figure import Figure

    written = []
    figure, axes = _figure(Figure)
    longest = max(max(one.length_at(0.99) for one in found), 2)
    edges = [longest * step / 40 for step in range(41)]
    for name, one, look in zip(names, found, _looks(), strict=False):
        lengths = [min(length, longest) for length in one.lengths]
        axes.hist(lengths, bins=edges, density=True, histtype="step", label=name, **look)
    axes.set(xlabel="characters of a text (the longest 1 % at the right edge)", ylabel="density", title="Lengths")
    _legend(figure)
    written.append(_save(figure, folder / "lengths.png"))

    figure, axes = _figure(Figure)
    total: dict[str, float] = {}
    for one in found:
        for script, share in one.script_shares():
            total[script] = max(total.get(script, 0.0), share)
    scripts = sorted(total, key=lambda script: -total[script])[:_SCRIPTS_SHOWN]
    left = [0.0] * len(found)
    for script, colour, hatch in zip(scripts, COLOURS, HATCHES, strict=False):
        shares = [dict(one.script_shares()).get(script, 0.0) for one in found]
        axes.barh(names, shares, left=left, label=script, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    if any(0 < share < 0.9995 for share in left):
        axes.barh(names, [1 - share if share else 0.0 for share in left], left=left, label="other", color="lightgrey")
    axes.set(xlabel="share of letters", xlim=(0, 1), title="Scripts")
    axes.invert_yaxis()
    _legend(figure, columns=_SCRIPTS_SHOWN + 1)
    written.append(_save(figure, folder / "scripts.png"))

    cut = [(name, one.tokens) for name, one in zip(names, found, strict=True) if one.tokens and one.tokens.per_word]
    if cut:
        figure, axes = _figure(Figure)
        highest = max(sorted(tokens.per_word)[int(0.99 * len(tokens.per_word))] for _, tokens in cut)
        edges = [1 + (max(highest, 2) - 1) * step / 40 for step in range(41)]
        for (name, tokens), look in zip(cut, _looks(), strict=False):
            label = f"{name} (mean {tokens.tokens_per_word:.2f}, unknown {tokens.unknown_share:.1%})"
            ratios = [min(max(one, 1.0), edges[-1]) for one in tokens.per_word]
            axes.hist(ratios, bins=edges, density=True, histtype="step", label=label, **look)
        axes.set(xlabel="tokens per word of a text", ylabel="density", title="Tokens per word")
        _legend(figure)
        written.append(_save(figure, folder / "tokens-per-word.png"))
    return written


def _looks() -> Iterator[dict[str, Any]]:
    """Of one series after the other, how its line looks."""
    for colour, dash in zip(cycle(COLOURS), cycle(DASHES), strict=False):
        yield {"color": colour, "linestyle": dash, "linewidth": 1.5}


def _figure(figure_class: Any) -> tuple[Any, Any]:
    figure = figure_class(figsize=(8, 4.5), layout="constrained")
    return figure, figure.subplots()


def _legend(figure: Any, columns: int = 1) -> None:
    # Beneath the axes, where it covers nothing.
    figure.legend(loc="outside lower center", ncols=columns)


def _save(figure: Any, path: Path) -> Path:
    from io import BytesIO

    from lect.files import write_aside

    content = BytesIO()
    figure.savefig(content, dpi=120, format="png")
    write_aside(path, content.getvalue())
    return path
