"""The components of a model as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from lect.storage.manifest import Manifest
from lect.storage.store import StoredComponent


def table_of_components(title: str, stored: Iterable[StoredComponent]) -> str:
    """An HTML table of components, a row each."""
    cells = [
        (
            f"<code>{escape(each.manifest.key)}</code>",
            escape(", ".join(each.manifest.languages)),
            escape(", ".join(each.manifest.methods) or "–"),
            f"{each.parameters:,}",
            "<br>".join(map(escape, _scores(each.manifest))) or "–",
        )
        for each in stored
    ]
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    head = "<tr><th>component</th><th>languages</th><th>parts</th><th>parameters</th><th>scores</th></tr>"
    return f"<p><b>{escape(title)}</b></p><table><thead>{head}</thead>{rows}</table>"


def _scores(manifest: Manifest) -> list[str]:
    """The scores that a component says it has, with it and without, a line each."""
    return [
        f"{each.metric.replace('_', ' ')} {each.value:.3f}"
        + (f" (without {each.without:.3f})" if each.without is not None else "")
        + f" on {each.dataset}"
        for each in manifest.results[:4]
        if "[" not in each.metric
    ]
