"""Subcommands of plugins, and how what goes wrong in them ends the command line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lect.commands import app as shell
from lect.commands.app import app
from lect.subcommands import Entry

COMMAND = """
def load():
    {loading}
    import typer
    app = typer.Typer()

    @app.command()
    def act(ctx: typer.Context, times: int = 1):
        "Do it."
        {body}

    return app

@hookimpl
def lect_register_commands():
    return [CommandSpec("act", "Act", load)]
"""


@pytest.fixture
def act(site):
    """Runs a plugin's command of a given body."""

    def run(body, *arguments, loading="pass", **environment):
        site.install("actor", COMMAND.format(body=body, loading=loading), version="0.2")
        # Without the plugins that happen to be installed, whose state is another test's matter.
        return CliRunner(env={"COLUMNS": "80", "LECT_PLUGINS": "actor", **environment}).invoke(app, ["act", *arguments])

    return run


def test_a_plugins_command_runs_with_its_options(act):
    result = act("print('done', times)", "--times", "3")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done 3\n", "")


def test_its_help_is_its_own_and_looks_like_lects(act):
    result = act("pass", "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: lect act [OPTIONS]\n\n  Do it.\n")
    assert "--times" in result.stdout
    assert "completion" not in result.stdout


def test_a_command_of_several_subcommands_works_too(site):
    site.install(
        "many",
        """
        def load():
            import typer
            app = typer.Typer()
            @app.command()
            def one(): print(1)
            @app.command()
            def two(): print(2)
            return app

        @hookimpl
        def lect_register_commands():
            return [CommandSpec("many", "Many", load)]
        """,
    )
    runner = CliRunner(env={"LECT_PLUGINS": "many"})
    assert runner.invoke(app, ["many", "two"]).stdout == "2\n"
    wrong = runner.invoke(app, ["many", "three"])
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("error: no such command 'three'")


def test_what_a_command_returns_is_no_exit_code(act):
    assert act("return 3").exit_code == 0


def test_an_exit_code_is_passed_on(act):
    result = act("raise typer.Exit(4)")
    assert (result.exit_code, result.output) == (4, "")


def test_a_users_mistake_is_one_line(act):
    result = act("raise UserError('this is wrong', where='data.csv, line 7', fix='mend it')")
    assert result.exit_code == 1
    assert result.output == "error: data.csv, line 7: this is wrong; mend it\n"


def test_an_interruption_is_one_line(act):
    result = act("raise KeyboardInterrupt")
    assert (result.exit_code, result.output) == (130, "error: interrupted\n")


def test_an_abort_is_one_line(act):
    result = act("raise typer.Abort")
    assert (result.exit_code, result.output) == (1, "error: aborted\n")


def test_a_wrong_option_is_one_line_with_the_way_to_help(act):
    result = act("pass", "--tims", "3")
    assert result.exit_code == 2
    assert result.output.startswith("error: no such option: --tims")
    assert result.output.endswith("; see lect act --help\n")
    assert act("pass", "--times", "x").output.startswith("error: invalid value for '--times': ")


def test_a_full_disk_is_no_fault_of_lect(act):
    result = act("import errno; raise OSError(errno.ENOSPC, 'No space left on device', 'weights.safetensors')")
    assert (result.exit_code, result.output) == (1, "error: weights.safetensors: no space left on device\n")


def test_an_unexpected_exception_is_one_line_with_its_place(site, monkeypatch):
    site.install("faulty", COMMAND.format(body="raise ValueError('two\\nlines')", loading="pass") + "\napp = load()")
    entry = Entry("fake_lect_faulty_faulty", "app", "A command of lect's own")
    monkeypatch.setattr(shell, "COMMANDS", {"faulty": entry})
    result = CliRunner().invoke(app, ["faulty"])
    assert result.exit_code == 70
    assert result.output.startswith("error: unexpected: ValueError: two lines (")
    assert result.output.endswith(
        "fake_lect_faulty_faulty.py, line 13); LECT_TRACE=1 shows where, lect doctor --report is for an issue\n"
    )


@pytest.mark.parametrize(
    ("body", "loading"), [("pass", "raise ValueError('no such thing')"), ("raise ValueError('no such thing')", "pass")]
)
def test_an_unexpected_exception_of_a_plugin_says_how_to_do_without_it(act, body, loading):
    result = act(body, loading=loading)
    assert result.exit_code == 70
    assert result.output.startswith("error: unexpected in plugin actor: ValueError: no such thing (")
    assert result.output.endswith(
        "; LECT_TRACE=1 shows where, lect doctor --report is for an issue, --no-plugin actor does without it\n"
    )


@pytest.mark.parametrize("body", ["raise ValueError('why')", "raise UserError('why')"])
def test_the_traceback_is_there_on_request(act, body):
    result = act(body, LECT_TRACE="1")
    assert "Traceback (most recent call last)" in result.stderr
    assert body in result.stderr


def test_the_host_is_loaded_once_and_knows_what_is_blocked(act, site):
    site.install("bad", "import nowhere_to_be_found")
    body = "from lect.commands.app import load_host; print([p.name for p in load_host(ctx).plugins if p.error])"
    result = act(body, LECT_PLUGINS=None)
    assert "'bad'" in result.stdout
    assert result.stderr.count('plugin "bad"') == 1
    quiet = act(body, "--no-plugin", "bad", LECT_PLUGINS=None)
    assert "'bad'" in quiet.stdout
    assert 'plugin "bad"' not in quiet.stderr


def test_a_clash_of_commands_names_both(site):
    for name in ("one", "two"):
        site.install(name, COMMAND.format(body="print('hello')", loading="pass"))
    result = CliRunner().invoke(app, ["act"])
    assert result.exit_code == 1
    assert 'command "act" comes from plugin "one" (lect-one 1.0) and plugin "two" (lect-two 1.0)' in result.stderr
    assert CliRunner().invoke(app, ["act", "--no-plugin", "one"]).stdout == "hello\n"
