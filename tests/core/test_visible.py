"""What strangers write reaches terminals, pages and programs without steering them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from lect.commands import console
from lect.host.host import _to_stderr
from lect.visible import visible, visible_json

STEERING = "\x1b[2J \x9b31m \r \x07 \u202eevil\u202c \u2066x\u2069 \u2028 \ufeff \ud800"
NEEDED = "می\u200cخواهم क्\u200dष \u200fשלום\u200e ߒߞߏ\t\n 👩\u200d👩"


def is_harmless(text):
    return not set(text) & set("\x1b\x9b\r\x07\u202e\u202c\u2066\u2069\u2028\ufeff\ud800")


def test_what_steers_is_spelt_out_and_what_scripts_need_stays():
    assert is_harmless(visible(STEERING))
    assert visible("\x1b[2J\u202e") == "\\x1b[2J\\u202e"
    assert visible(NEEDED) == NEEDED


def test_json_means_the_same():
    text = visible_json(json.dumps({STEERING: [NEEDED]}, ensure_ascii=False))
    assert is_harmless(text)
    assert json.loads(text) == {STEERING: [NEEDED]}


@pytest.mark.parametrize(
    "show",
    [
        lambda: console.print_table(["a"], [[STEERING]], title=STEERING),
        lambda: console.print_json({"label": STEERING}),
        lambda: console.echo_json(json.dumps(STEERING, ensure_ascii=False)),
        lambda: _to_stderr(STEERING),
        lambda: console.echo(STEERING),
        lambda: console.warn(STEERING),
        lambda: console.note(STEERING),
        lambda: console.complain(STEERING),
        lambda: console.stdout_console().print(STEERING),
        lambda: console.stderr_console().print(STEERING, soft_wrap=True, markup=False),
    ],
)
def test_every_way_to_print(show, capsys):
    show()
    out, err = capsys.readouterr()
    assert "evil" in out + err
    assert is_harmless(out + err)


def test_nothing_of_a_stranger_is_markup_or_an_emoji(capsys, monkeypatch):
    text = "[bold]a[/red] :smile: [/b]"
    out = console.stdout_console()
    out.print(text)
    console.print_table(["a"], [[text]], title=text)
    monkeypatch.setattr(out, "_force_terminal", True)
    with out.status(text) as status:
        status.update(f"{text} more")
    assert capsys.readouterr().out.count(text) >= 3


#: What prints without the gate, and why it may.
PRINTS = {
    "core/lect/commands/console.py": "it is the gate",
    "core/lect/host/host.py": "through the gate, before a console can be loaded",
    "core/lect/commands/app.py": "lect's own version and help",
    "core/lect/visible.py": "into a text, which goes through the gate",
    "core/lect/api/progress.py": "through the gate, in a notebook that has no console",
}


def test_every_text_goes_through_the_gate():
    root = Path(__file__).parents[2]
    found = set()
    for file in [*root.glob("core/lect/**/*.py"), *root.glob("plugins/*/lect_*/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print", "typer.echo", "typer.secho", "click.echo", "click.secho", "sys.stdout.write",
                "sys.stderr.write", "Console", "rich.print",
            ):  # fmt: skip
                found.add(file.relative_to(root).as_posix())
    assert found <= PRINTS.keys()
