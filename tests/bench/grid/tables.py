"""The results of a grid as Markdown tables."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grid.job import Job, Score, Table, Theme


def markdown(themes: Sequence[Theme], folder: Path) -> str:
    """Every table that has any figures."""
    found = _read(folder)
    values: dict[tuple[str, str, str], dict[int, float]] = {}
    for record in found:
        for score in record["scores"]:
            place = (score["table"], score["row"], score["column"])
            values.setdefault(place, {})[record["seed"]] = 100 * score["scores"][score["metric"]]
    texts = [text for theme in themes for table in theme.tables if (text := _table(table, theme, themes, values))]
    if any(record.get("quick") for record in found):
        texts.insert(0, "These runs were quick ones: the figures mean nothing.\n")
    return "\n".join([*texts, _costs(found)])


def _read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]


def _table(
    table: Table, theme: Theme, themes: Sequence[Theme], values: Mapping[tuple[str, str, str], Mapping[int, float]]
) -> str:
    places = [place for place in _planned(themes, table.name) if place in values]
    places += [place for place in values if place[0] == table.name and place not in places]
    rows = list(dict.fromkeys(row for _, row, _ in places))
    columns = list(dict.fromkeys(column for _, _, column in places))
    if not rows:
        return ""
    heads = [*columns, *(["mean"] if table.mean else [])]
    lines = [f"| {table.title} | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for row in rows:
        own = [values.get((table.name, row, column), {}) for column in columns]
        cells = [_cell(list(seeds.values())) for seeds in own]
        if table.mean:
            shared = set.intersection(*map(set, own)) if all(own) else set()
            cells.append(_cell([statistics.mean(seeds[seed] for seeds in own) for seed in sorted(shared)]))
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _planned(themes: Sequence[Theme], table: str) -> list[tuple[str, str, str]]:
    """The places of a table, in the order that its theme gives them."""
    jobs: list[Job] = [job for theme in themes for job in theme.jobs]
    scores = [step for job in jobs for step in job.steps if isinstance(step, Score)]
    return [(score.table, score.row, score.column) for score in scores if score.table == table]


def _cell(figures: Sequence[float]) -> str:
    """Mean ± deviation; how many seeds where they are not three."""
    if not figures:
        return ""
    spread = f" ± {statistics.stdev(figures):.1f}" if len(figures) > 1 else ""
    return f"{statistics.mean(figures):.1f}{spread}" + (f" ({len(figures)})" if len(figures) != 3 else "")


def _costs(found: Sequence[Mapping[str, Any]]) -> str:
    """What was trained, in how long, on what."""
    runs = [run for record in found for run in record["runs"]]
    if not runs:
        return ""
    steps, seconds = sum(run["steps"] for run in runs), sum(run["trained"] for run in runs)
    devices = ", ".join(sorted({record["device"] for record in found}))
    return (
        f"{len(runs)} components, {steps:,} steps, {seconds:,.0f} s of training in all processes together, "
        f"{sum(record['seconds'] for record in found):,.0f} s with everything; {devices}."
    )
