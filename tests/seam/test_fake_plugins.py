"""What becomes of plugins, good and bad: each one a fake installed distribution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lect import CommandSpec, HeadSpec, MetricSpec, ObjectiveSpec, ReaderSpec
from lect.commands.app import app
from lect.errors import PluginError
from lect.host import Host, PluginRecord, plugin_blamed
from lect.specs import MethodSpec


def lect(*arguments, **environment):
    return CliRunner(env={"COLUMNS": "80", **environment}).invoke(app, list(arguments))


def record(host: Host, name: str) -> PluginRecord:
    return next(found for found in host.plugins if found.name == name)


# ------------------------------------------------------------------------------------------------------------- good


def test_a_good_plugin_is_recorded_and_its_spec_knows_it(site, method):
    site.install("shifty", method("shift"), version="0.2")
    host = site.load()
    expected = PluginRecord("shifty", "lect-shifty", "0.2", 1, "ok", ("lect_register_methods",), None)
    assert record(host, "shifty") == expected
    assert host.specs(MethodSpec)["shift"].plugin == expected
    assert isinstance(host.spec(MethodSpec, "shift"), MethodSpec)
    assert site.warnings == []


def test_the_essential_plugin_comes_first_and_is_always_there(site):
    host = site.load()
    assert [found.name for found in host.plugins] == ["builtin"]
    assert {"supervised", "alignment"} <= set(host.specs(ObjectiveSpec))
    assert {"csv", "tsv", "jsonl"} <= set(host.specs(ReaderSpec))


def test_plugins_as_json_hold_every_field_and_the_specs_of_each_hook(site, method):
    site.install("shifty", method("shift"), version="0.2")
    result = lect("plugins", "--json")
    assert result.exit_code == 0, result.output
    found = {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}["shifty"]
    assert found == {
        "name": "shifty",
        "distribution": "lect-shifty",
        "version": "0.2",
        "api": 1,
        "status": "ok",
        "hooks": ["lect_register_methods"],
        "error": None,
        "specs": {"lect_register_methods": [{"name": "shift", "summary": "a fake method", "usable": True}]},
    }


def test_the_table_fits_80_columns_however_much_a_plugin_provides(site, method):
    names = "\n".join(method(f"a-method-with-a-long-name-{number}") for number in range(1))
    site.install("shifty-with-a-long-name", names, version="0.2.0.dev20260101")
    result = lect("plugins")
    assert result.exit_code == 0
    assert "shifty-with-a-long-name" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize("hook", ["register_methods", "lect_register_methods"])
def test_one_hooks_implementations_by_either_name(site, method, hook):
    site.install("shifty", method("shift"))
    site.install("idle", "")
    result = lect("plugins", "--hook", hook)
    assert result.exit_code == 0
    assert "shift" in result.stdout
    assert "shifty" in result.stdout
    assert "idle" not in result.stdout


def test_an_unknown_hook_asked_for_names_the_nearest():
    result = lect("plugins", "--hook", "register_method")
    assert result.exit_code == 1
    assert result.stderr == 'error: --hook: there is no hook "register_method"; did you mean "register_methods"?\n'


# ----------------------------------------------------------------------------------------------------------- broken


def test_a_broken_plugin_nobody_asked_for_warns_once_in_one_line(site, method):
    site.install("bad", "import nowhere_to_be_found")
    site.install("shifty", method("shift"))
    host = site.load()
    assert site.warnings == [
        "plugin \"bad\" (lect-bad 1.0) is broken: ModuleNotFoundError: No module named 'nowhere_to_be_found' "
        f"({site.folder.name}/fake_lect_bad_bad.py, line 4); to do without it: lect --no-plugin bad"
    ]
    assert record(host, "bad").status == "broken"
    assert host.spec(MethodSpec, "shift").name == "shift"


def test_a_broken_plugin_that_was_asked_for_is_an_error(site, monkeypatch):
    site.install("bad", "import nowhere_to_be_found")
    with pytest.raises(PluginError, match=r'^plugin "bad" \(lect-bad 1.0\) is broken: ModuleNotFoundError') as caught:
        site.load(only=["bad"])
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    monkeypatch.setenv("LECT_PLUGINS", "bad")
    with pytest.raises(PluginError, match=r'^LECT_PLUGINS: plugin "bad"'):
        site.load()


def test_a_broken_plugin_whose_spec_is_asked_for_is_an_error(site):
    site.install("lora", "import nowhere_to_be_found", version="0.2")
    with pytest.raises(PluginError) as caught:
        site.load().spec(MethodSpec, "lora")
    assert str(caught.value).startswith(
        'method "lora" comes from plugin "lora" (lect-lora 0.2), which is broken: ModuleNotFoundError'
    )
    assert str(caught.value).endswith("reinstall it: pip install --force-reinstall lect-lora")


def test_a_broken_plugin_is_listed_and_fails_the_check(site):
    site.install("bad", "import nowhere_to_be_found")
    listed = lect("plugins")
    assert listed.exit_code == 0
    assert listed.stderr == ""
    assert "bad: ModuleNotFoundError: No module named 'nowhere_to_be_found'" in listed.stdout
    checked = lect("plugins", "--check")
    assert checked.exit_code == 1
    assert 'error: plugin "bad" (lect-bad 1.0): broken: ModuleNotFoundError' in checked.stderr


def test_a_command_beside_a_broken_plugin_warns_and_runs(site):
    site.install("bad", "import nowhere_to_be_found")
    site.install(
        "greeter",
        """
        def load():
            import typer
            app = typer.Typer()
            @app.command()
            def hello(): print("hello")
            return app

        @hookimpl
        def lect_register_commands():
            return [CommandSpec("hello", "Greet", load)]
        """,
    )
    result = lect("hello")
    assert (result.exit_code, result.stdout) == (0, "hello\n")
    assert result.stderr.count('warning: plugin "bad" (lect-bad 1.0) is broken') == 1
    asked = lect("hello", LECT_PLUGINS="bad,greeter")
    assert asked.exit_code == 1
    assert asked.stderr.startswith('error: LECT_PLUGINS: plugin "bad" (lect-bad 1.0) is broken: ModuleNotFoundError')


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def (", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3 "),
        ("raise UserError('no licence key', fix='set KEY')", "no licence key; set KEY"),
        (
            "@hookimpl\ndef lect_register_method(): return []",
            'there is no hook "lect_register_method"; did you mean "lect_register_methods"?',
        ),
        (
            "@hookimpl\ndef register_heads(): return []",
            'there is no hook "register_heads"; did you mean "lect_register_heads"?',
        ),
        (
            "@hookimpl\ndef lect_training_finished(run, outcom): pass",
            'lect_training_finished has no argument "outcom"; did you mean "outcome"?',
        ),
        (
            "@hookimpl\ndef lect_register_heads(backbone): return []",
            'lect_register_heads has no argument "backbone"; known: none',
        ),
        (
            "@hookimpl\ndef lect_step_finished(**everything): pass",
            "lect_step_finished takes *everything; name the arguments it needs, of: run, step, metrics",
        ),
        (
            "@hookimpl\ndef lect_step_finished(*, step): pass",
            'the argument "step" of lect_step_finished is keyword-only; drop the * before it',
        ),
        (
            "@hookimpl(wrapper=True)\ndef lect_register_heads(): return (yield)",
            "lect_register_heads is a wrapper; hooks of lect are called plugin by plugin and cannot be wrapped",
        ),
        ("def lect_register_heads(): return []", "lect_register_heads lacks its decorator, @lect.hookimpl"),
        (
            "@hookimpl\ndef lect_register_heads(): return MetricSpec('a', 'b', max, 'c')",
            "lect_register_heads gave a MetricSpec where an iterable of HeadSpec is due",
        ),
        (
            "@hookimpl\ndef lect_register_heads(): return [MetricSpec('a', 'b', max, 'c')]",
            "lect_register_heads gave a MetricSpec among its specs where a HeadSpec is due",
        ),
        (
            "@hookimpl\ndef lect_register_metrics(): return [MetricSpec('a', 'b', max, 'c')] * 2",
            'lect_register_metrics gave the metric "a" twice',
        ),
        (
            "@hookimpl\ndef lect_register_metrics(): return [MetricSpec('a', 'b', max, 'c', scores={'c': 'up'})]",
            'a score of metric "a" is better "up"; say "higher" or "lower"',
        ),
        (
            "class C(Config): pass\n"
            "@hookimpl\ndef lect_register_metrics(): return [MetricSpec('a', 'b', max, 'macro_f1')]\n"
            "@hookimpl\ndef lect_register_heads(): return [HeadSpec('h', 'b', C, max, ('classification', 'a'))]",
            'the head "h" has two scores "macro_f1": of the metrics "classification" and "a"',
        ),
        (
            "@hookimpl\ndef lect_register_metrics(): return [MetricSpec('a b', 'b', max, 'c')]",
            "lect_register_metrics gave the name 'a b'; a name is of letters, digits, dots, hyphens, underscores",
        ),
        (
            "@hookimpl\ndef lect_register_methods(): return [MethodSpec('a', 'b', dict, max)]",
            'the config of method "a" is not a pydantic model; derive it from lect.Config',
        ),
        (
            "import pydantic\nclass C(pydantic.BaseModel): pass\n"
            "@hookimpl\ndef lect_register_methods(): return [MethodSpec('a', 'b', C, max)]",
            'the config of method "a" drops unknown fields; derive it from lect.Config',
        ),
    ],
)
def test_a_plugin_that_breaks_the_rules_of_the_seam_is_broken_with_the_reason(site, method, source, error):
    site.install("bad", source)
    site.install("shifty", method("shift"))
    host = site.load()
    found = record(host, "bad")
    assert found.status == "broken"
    assert found.error.startswith(error)
    assert len(site.warnings) == 1
    assert "\n" not in site.warnings[0]
    assert list(host.specs(MethodSpec)) == ["full", "fusion", "shift"]
    result = lect("plugins", "--check")
    assert result.exit_code == 1
    assert f'error: plugin "bad" (lect-bad 1.0): broken: {error}' in result.stderr


def test_a_plugin_that_fails_halfway_through_a_hook_contributes_nothing_at_all(site):
    site.install(
        "bad",
        """
        @hookimpl
        def lect_register_metrics():
            return [MetricSpec("kept", "b", max, "c")]

        @hookimpl
        def lect_register_commands():
            yield CommandSpec("first", "a", max)
            raise ValueError("half\\nway")

        @hookimpl
        def lect_training_started(run):
            raise AssertionError("never called")
        """,
    )
    host = site.load()
    assert record(host, "bad").status == "broken"
    assert record(host, "bad").error == f"ValueError: half way ({site.folder.name}/fake_lect_bad_bad.py, line 12)"
    assert "kept" not in host.specs(MetricSpec)
    assert "first" not in host.specs(CommandSpec)
    site.warnings.clear()
    host.notify("lect_training_started", run=None)
    assert site.warnings == []


def test_an_optional_hook_that_this_host_lacks_is_no_fault(site):
    site.install("ahead", "@hookimpl(optionalhook=True)\ndef lect_of_the_future(thing): return thing")
    assert record(site.load(), "ahead").status == "ok"


# ----------------------------------------------------------------------------------------------------- incompatible


def test_a_plugin_for_another_api_is_listed_and_never_imported(site):
    marker = site.install("futuristic", "raise AssertionError", group="lect.v2")
    host = site.load()
    found = record(host, "futuristic")
    assert (found.api, found.status, found.error) == (2, "incompatible", "needs API 2, host offers 1")
    assert site.warnings == []
    listed = lect("plugins")
    assert "futuristic: needs API 2, host offers 1" in listed.stdout
    checked = lect("plugins", "--check")
    assert checked.exit_code == 1
    assert (
        'error: plugin "futuristic" (lect-futuristic 1.0): incompatible: needs API 2, host offers 1' in checked.stderr
    )
    with pytest.raises(PluginError, match="cannot be used: it needs API 2, host offers 1"):
        site.load(only=["futuristic"])
    assert not Path(marker).exists()


def test_a_plugin_that_serves_two_apis_is_used_for_this_one(site, method):
    site.install("both", method("shift"), group="lect.v2")
    site.install("both", method("shift"), group="lect.v1")
    host = site.load()
    assert [(found.name, found.status) for found in host.plugins] == [("builtin", "ok"), ("both", "ok")]


def test_a_distribution_that_an_earlier_folder_shadows_does_not_count(site, method, tmp_path):
    site.install("shifty", method("shift"), version="2.0")
    later = type(site)(tmp_path / "later")
    later.folder.mkdir()
    later.install("shifty", method("shift"), version="1.0")
    host = Host.load(path=[str(site.folder), str(later.folder)])
    assert [(found.name, found.version) for found in host.plugins[1:]] == [("shifty", "2.0")]


# ------------------------------------------------------------------------------------------------------------ clash


def test_a_clash_names_both_sides_and_neither_wins(site, method):
    site.install("one", method("shift"), version="1.1")
    site.install("two", method("shift") + method("other").replace("methods", "heads").replace("Method", "Head"))
    host = site.load()
    assert "shift" not in host.specs(MethodSpec)
    with pytest.raises(PluginError) as caught:
        host.spec(MethodSpec, "shift")
    assert str(caught.value) == (
        'method "shift" comes from plugin "one" (lect-one 1.1) and plugin "two" (lect-two 1.0); '
        "use lect --no-plugin one or lect --no-plugin two"
    )
    assert record(host, "one").error == 'method "shift" comes from plugin "two" (lect-two 1.0) too'
    assert {record(host, name).status for name in ("one", "two")} == {"clash"}
    assert host.spec(HeadSpec, "other").name == "other", "what does not clash works"
    assert site.load(block=["one"]).provided(MethodSpec, "shift").plugin.name == "two"
    assert record(site.load(block=["one"]), "two").status == "ok"


def test_a_clash_is_listed_and_fails_the_check(site, method):
    site.install("one", method("shift"))
    site.install("two", method("shift"))
    hook = lect("plugins", "--hook", "register_methods")
    assert hook.stdout.count("(clashes: unusable)") == 2
    checked = lect("plugins", "--check")
    assert checked.exit_code == 1
    assert (
        'error: plugin "one" (lect-one 1.0): clash: method "shift" comes from plugin "two" (lect-two 1.0) too'
        in checked.stderr
    )
    assert 'error: plugin "one"' not in lect("plugins", "--check", "--no-plugin", "two").stderr


def test_a_clash_with_the_essential_plugin_blames_the_other(site, method):
    site.install("one", method("full"))
    host = site.load()
    assert record(host, "builtin").status == "ok"
    assert record(host, "one").status == "clash"
    with pytest.raises(PluginError, match=r"use lect --no-plugin one$"):
        host.spec(MethodSpec, "full")


def test_a_command_of_lects_own_name_is_a_clash_and_lect_keeps_it(site):
    site.install("one", "@hookimpl\ndef lect_register_commands(): return [CommandSpec('plugins', 'a', max)]")
    host = site.load()
    assert record(host, "one").error == 'command "plugins" comes from lect itself too'
    assert "plugins" not in host.specs(CommandSpec)
    assert lect("plugins").exit_code == 0


def test_two_distributions_with_a_plugin_of_one_name_are_both_refused_until_one_is_blocked(site, method):
    first = site.install("shifty", method("shift"), distribution="lect-one")
    second = site.install("shifty", method("shift"), distribution="lect-two")
    host = site.load()
    assert [(found.distribution, found.status, found.error) for found in host.plugins[1:]] == [
        ("lect-one", "clash", "lect-two 1.0 brings a plugin of this name too"),
        ("lect-two", "clash", "lect-one 1.0 brings a plugin of this name too"),
    ]
    assert site.warnings[0].endswith("to do without it: lect --no-plugin lect-one")
    assert not Path(first).exists()
    assert not Path(second).exists()
    host = site.load(block=["lect_one"])
    assert host.provided(MethodSpec, "shift").plugin.distribution == "lect-two"
    assert not Path(first).exists()


# ---------------------------------------------------------------------------------------------------------- blocked


def test_a_blocked_plugin_is_listed_and_never_imported(site, method):
    marker = site.install("lora", method("lora"))
    host = site.load(block=["lora"])
    assert (record(host, "lora").status, record(host, "lora").error) == ("blocked", "--no-plugin lora")
    with pytest.raises(PluginError) as caught:
        host.spec(MethodSpec, "lora")
    assert str(caught.value) == (
        'method "lora" comes from plugin "lora" (lect-lora 1.0), which is blocked (--no-plugin lora)'
    )
    for arguments in (["--no-plugin", "lora", "plugins"], ["plugins", "--no-plugin=lora"]):
        result = lect(*arguments, "--json")
        found = {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}["lora"]
        assert found["status"] == "blocked"
    assert not Path(marker).exists()


def test_only_the_plugins_of_the_environment_variable_are_imported(site, method, monkeypatch):
    wanted = site.install("shifty", method("shift"))
    unwanted = site.install("other", method("other"))
    monkeypatch.setenv("LECT_PLUGINS", "shifty")
    host = site.load()
    assert record(host, "other").error == "not in LECT_PLUGINS"
    assert list(host.specs(MethodSpec)) == ["full", "fusion", "shift"]
    assert Path(wanted).exists()
    assert not Path(unwanted).exists()
    monkeypatch.setenv("LECT_PLUGINS", "")
    assert list(site.load().specs(MethodSpec)) == ["full", "fusion"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": ["shfty"]}, 'there is no plugin "shfty" to block; did you mean "shifty"?'),
        ({"only": ["shfty"]}, 'there is no plugin "shfty" to use; did you mean "shifty"?'),
        ({"block": ["builtin"]}, 'plugin "builtin" is a part of lect and cannot be blocked'),
    ],
)
def test_a_wrong_name_of_a_plugin_is_an_error(site, method, options, message):
    site.install("shifty", method("shift"))
    with pytest.raises(PluginError) as caught:
        site.load(**options)
    assert str(caught.value) == message


def test_blocking_what_is_not_there_ends_the_command_line_with_one_line():
    result = lect("--no-plugin", "nobody-has-this", "plugins")
    assert result.exit_code == 1
    assert result.stderr.startswith('error: there is no plugin "nobody-has-this" to block; ')
    assert result.stderr.count("\n") == 1


# ---------------------------------------------------------------------------------------------------------- missing


def test_a_missing_spec_of_a_bundled_plugin_says_what_to_install(site):
    with pytest.raises(PluginError) as caught:
        site.load().spec(MethodSpec, "lora")
    assert str(caught.value) == 'no plugin provides method "lora"; try: pip install lect-lora'


def test_a_misspelt_spec_names_the_nearest_and_the_plugins_not_in_use(site, method):
    site.install("shifty", method("shift"))
    site.install("bad", "import nowhere_to_be_found")
    with pytest.raises(PluginError) as caught:
        site.load().spec(MethodSpec, "shfit")
    assert str(caught.value) == (
        'no plugin provides method "shfit" (not in use: bad; see lect plugins); did you mean "shift"?'
    )


# ------------------------------------------------------------------------------------------------------ attribution


def test_an_exception_of_a_builder_names_the_plugin(site, method):
    site.install("shifty", method("shift"), version="0.2")
    host = site.load()
    provided = host.provided(MethodSpec, "shift")
    with pytest.raises(ZeroDivisionError) as caught, host.attributed(provided) as spec, host.attributed(provided):
        spec.build(spec.config(), None)
    assert caught.value.__notes__ == ["in plugin 'shifty' (lect-shifty 0.2), hook lect_register_methods"]
    assert plugin_blamed(caught.value) == "shifty"


def test_blame_is_found_behind_another_exception_and_not_invented(site, method):
    site.install("shifty", method("shift"))
    host = site.load()
    with pytest.raises(RuntimeError) as caught:
        try:
            with host.attributed(host.provided(MethodSpec, "shift")) as spec:
                spec.build(spec.config(), None)
        except ZeroDivisionError as error:
            raise RuntimeError("outer") from error
    assert plugin_blamed(caught.value) == "shifty"
    assert plugin_blamed(ValueError("own")) is None


# ---------------------------------------------------------------------------------------------------- configuration


def test_a_configuration_is_read_into_the_specs_model(site, method):
    site.install("shifty", method("shift"))
    config = site.load().configured(MethodSpec, "shift", {"size": 3}, "recipe.toml, part[0]").config
    assert config.size == 3
    assert type(config).__name__ == "Shift"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"sise": 3}, 'recipe.toml, part[0].sise: unknown field "sise"; did you mean "size"?'),
        ({"size": "big"}, "recipe.toml, part[0].size: input should be a valid integer"),
        ({"size": 1.5, "sise": 1}, 'recipe.toml, part[0].sise: unknown field "sise" (and 1 more mistake)'),
    ],
)
def test_a_wrong_configuration_is_an_error_with_the_path_inside_the_file(site, method, mapping, message):
    site.install("shifty", method("shift"))
    result = None
    try:
        site.load().configured(MethodSpec, "shift", mapping, "recipe.toml, part[0]")
    except Exception as error:
        result = error
    assert type(result).__name__ == "RecipeError"
    assert str(result).startswith(message)
