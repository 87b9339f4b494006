"""Where a run is, as a terminal shows it: a few lines that are drawn anew while it goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from lect.scores import Direction, gain_of
from lect.training.callbacks.base import Callback
from lect.visible import visible

if TYPE_CHECKING:
    from lect.runs import RunInfo

_RATE_OVER_STEPS = 20
_SCORE_LINES = 3
_LABEL, _GAP, _BAR = 24, 2, 40
_COLOUR = "#56b4e9"
"""Okabe and Ito's sky blue, which stands out on light and dark grounds; nothing is told by it alone."""
_BLOCKS, _BLOCKS_ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"


class Dashboard(Callback):
    """Six lines at most: steps, the loss as a curve, rate, memory, and scores; silent where the output is no terminal.

    Args:
        title: what the run is called.
        judged: the score that each component is judged by, as `validation_finished` names it, and which way it is
            better.
    """

    def __init__(self, console: Console, title: str, judged: Mapping[str, Direction]) -> None:
        self._title, self._judged = visible(title), judged
        self._total = self._step = 0
        self._metrics: Mapping[str, float] = {}
        self._losses = Curve()
        # Of each of the last steps: its number, the seconds since the start, its rows and tokens.
        self._recent: deque[tuple[int, float, float, float]] = deque(maxlen=_RATE_OVER_STEPS)
        self._began: tuple[int, float] | None = None
        self._now: dict[str, float] = {}
        self._best: dict[str, tuple[float, int]] = {}
        self._without: dict[str, float] = {}
        self._doing = "starting"
        shows = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(self, console=console, refresh_per_second=4, transient=True) if shows else None

    def state_dict(self) -> Mapping[str, Any]:
        """The best scores, which a resumed run goes on to show."""
        return {name: list(best) for name, best in self._best.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best = {name: (float(value), int(step)) for name, (value, step) in state.items()}

    def run_started(self, run: RunInfo, step: int) -> None:
        self._total, self._step = run.total_steps, step
        if self._live is not None:
            self._live.start()

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        self._step, self._metrics, self._doing = step, metrics, ""
        self._losses.add(metrics["loss"])
        self._recent.append((step, metrics["seconds"], metrics["rows"], metrics["pieces"]))
        self._began = self._began or (step, metrics["seconds"])

    def validation_started(self, step: int) -> None:
        self._doing = "validating"

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        self._doing = ""
        for name, direction in self._judged.items():
            if name not in scores:
                continue
            self._now[name] = value = scores[name]
            if name not in self._best or gain_of(value, self._best[name][0], direction) > 0:
                self._best[name] = (value, step)

    def scored_without(self, scores: Mapping[str, float]) -> None:
        self._without = dict(scores)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        # Drawn in a thread of its own: nothing is changed here, and what may change meanwhile is copied.
        ascii_only = options.ascii_only
        shown = [name for name in self._judged if name in self._now]
        most = _SCORE_LINES if len(shown) <= _SCORE_LINES else _SCORE_LINES - 1
        labels = {name: visible(name) + (" ↓" if self._judged[name] == "lower" else "") for name in shown[:most]}
        width = min(_LABEL, max(cell_len(label) for label in (self._title, "loss", *labels.values())))
        lines = [(self._title, self._progress(options.max_width - width - _GAP, ascii_only))]
        if self._metrics:
            lines.append(("loss", self._loss(options.max_width - width - _GAP, ascii_only)))
            lines.append(("rate", self._rate()))
        lines += [(label, self._score(name)) for name, label in labels.items()]
        if len(shown) > most:
            lines.append(("", Text(f"and {len(shown) - most} more components", style="dim")))
        for label, content in lines:
            head = Text(label, style="bold")
            head.truncate(width, overflow="ellipsis", pad=True)
            line = Text.assemble(head, " " * _GAP, content)
            if ascii_only:
                line.plain = line.plain.replace("…", ".").replace("↓", "v")
            line.truncate(options.max_width, overflow="crop" if ascii_only else "ellipsis")
            yield line

    def _progress(self, width: int, ascii_only: bool) -> Text:
        share = self._step / max(1, self._total)
        said = f"  {self._step:,}/{self._total:,} steps  {share:4.0%}  {self._doing or self._left()}"
        room = max(8, min(_BAR, width - cell_len(said)))
        done = round(share * room)
        full, rest = ("=", "-") if ascii_only else ("━", "─")
        return Text.assemble((full * done, _COLOUR), (rest * (room - done), "dim"), said)

    def _left(self) -> str:
        if self._began is None or self._step <= self._began[0]:
            return ""
        step, seconds = self._began
        left = (self._metrics["seconds"] - seconds) / (self._step - step) * (self._total - self._step)
        minutes, seconds_left = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds_left:02} left" if hours else f"{minutes}:{seconds_left:02} left"

    def _loss(self, width: int, ascii_only: bool) -> Text:
        said, first = f"{self._metrics['loss']:.4f}  ", f"  from {self._losses.first:.4f}"
        curve = sparkline(self._losses.values(max(8, min(_BAR, width - len(said) - len(first)))), ascii_only)
        return Text.assemble(said, (curve, _COLOUR), (first, "dim"))

    def _rate(self) -> Text:
        recent = list(self._recent)
        seconds = recent[-1][1] - recent[0][1] if recent else 0.0
        said = []
        if seconds > 0:
            rows, tokens = (sum(each[place] for each in recent[1:]) / seconds for place in (2, 3))
            said += [f"{rows:,.0f} rows/s" if rows >= 10 else f"{rows:.1f} rows/s", f"{tokens:,.0f} tokens/s"]
        names = {"memory": "memory {:.1f} GB", "gpu_memory": "GPU {:.1f} GB"}
        said += [text.format(self._metrics[name]) for name, text in names.items() if name in self._metrics]
        return Text("  ".join(said))

    def _score(self, name: str) -> Text:
        now, (best, step) = self._now[name], self._best[name]
        same = now == best
        text = Text(f"{now:.3f} now{', the best' if same else ''}")
        if not same:
            text.append(f"  {best:.3f} best (step {step:,})")
        if name in self._without:
            text.append(f"  {self._without[name]:.3f} without the component", style="dim")
        return text


class Curve:
    """Figures of a run of any length, in bounded memory: means over steps that follow each other.

    Args:
        most: how many means are held at most.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most, self._steps = most, 1
        self._means: list[float] = []
        self._open: list[float] = []
        self.first = 0.0

    def add(self, value: float) -> None:
        """Take in the next step's figure."""
        if not self._means and not self._open:
            self.first = value
        self._open.append(value)
        if len(self._open) < self._steps:
            return
        self._means.append(sum(self._open) / len(self._open))
        self._open = []
        if len(self._means) >= self._most:
            self._means = _bucketed(self._means, self._most // 2)
            self._steps *= 2

    def values(self, most: int) -> list[float]:
        """So many means at most, from the first step to the last one."""
        return _bucketed(list(self._means), most)


def sparkline(values: Sequence[float], ascii_only: bool = False) -> str:
    """Values as blocks of eight heights, the lowest one for the least of them."""
    if not values:
        return ""
    blocks = _BLOCKS_ASCII if ascii_only else _BLOCKS
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(blocks[round((value - low) / span * (len(blocks) - 1))] for value in values)


def _bucketed(values: Sequence[float], most: int) -> list[float]:
    """Means of so many runs of like length, where there are more values."""
    if len(values) <= most:
        return list(values)
    ends = [round(place * len(values) / most) for place in range(most + 1)]
    return [sum(values[start:end]) / (end - start) for start, end in pairwise(ends)]
