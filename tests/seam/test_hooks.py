"""Every hook, called through the host; and that every hook is tested here and documented."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from lect import (
    BackboneSpec,
    CheckpointSpec,
    CommandSpec,
    ExecutorSpec,
    FormatSpec,
    HeadSpec,
    IdentifierSpec,
    InitialiserSpec,
    MergeSpec,
    MethodSpec,
    MetricSpec,
    ObjectiveSpec,
    ReaderSpec,
    RouteSpec,
    StreamWork,
    TokenLearnerSpec,
    hookspecs,
)
from lect.errors import PluginError
from lect.host import Host, plugin_blamed
from lect.host.records import HOOKS
from lect.runs import Outcome, RunInfo
from lect.selection.automatic import installed_identifier
from lect.specs import NewEmbeddings, Problem

DOCUMENT = Path(__file__).parents[2] / "docs" / "hooks.md"
RUN = RunInfo("sentiment", "task", "e5-small", Path("runs/1"), 100)


def register(site, kind: type, expression: str) -> Host:
    """A host with a plugin whose only hook gives one spec."""
    site.install("mine", f"class Empty(Config): pass\n@hookimpl\ndef {kind.hook}(): yield {expression}", version="0.3")
    host = site.load()
    assert host.provided(kind, "x").plugin.label == 'plugin "mine" (lect-mine 0.3)'
    assert host.specs(kind)["x"].spec is host.spec(kind, "x")
    return host


def test_hook_register_backbones(site, tmp_path):
    host = register(site, BackboneSpec, f"BackboneSpec('x', 's', lambda progress: {str(tmp_path)!r}, 'x 1.0')")
    assert host.spec(BackboneSpec, "x").prepare(lambda what, share: None) == str(tmp_path)


def test_hook_register_checkpoints(site):
    host = register(
        site,
        CheckpointSpec,
        "CheckpointSpec('x', 's', lambda folder: [folder / 'x.pt'], lambda folder, target, progress: [str(target)])",
    )
    spec = host.spec(CheckpointSpec, "x")
    assert spec.detect(Path("here")) == [Path("here/x.pt")]
    assert spec.convert(Path("here"), Path("there"), None) == ["there"]


def test_hook_register_methods(site):
    host = register(site, MethodSpec, "MethodSpec('x', 's', Empty, lambda config, context: (config, context))")
    config = host.configured(MethodSpec, "x", {}, "recipe.toml").config
    assert host.spec(MethodSpec, "x").build(config, 7) == (config, 7)


def test_hook_register_merges(site):
    host = register(site, MergeSpec, "MergeSpec('x', 's', Empty, lambda config, name, tensors, weights: tensors[0])")
    assert host.spec(MergeSpec, "x").merge(None, "a", [3], [1.0]) == 3


def test_hook_register_initialisers(site):
    host = register(site, InitialiserSpec, "InitialiserSpec('x', 's', Empty, lambda config, new: new.tokens)")
    new = NewEmbeddings("backbone", ["a"], 7, None, [[]], ["a"])
    assert host.spec(InitialiserSpec, "x").initialise(None, new) == ["a"]


def test_hook_register_token_learners(site):
    host = register(site, TokenLearnerSpec, "TokenLearnerSpec('x', 's', lambda backbone, texts, count, longest: texts)")
    assert host.spec(TokenLearnerSpec, "x").learn(None, ["a"], 3, 4) == ["a"]


def test_hook_register_heads(site):
    host = register(site, HeadSpec, "HeadSpec('x', 's', Empty, lambda config, backbone, labels: labels)")
    assert host.spec(HeadSpec, "x").build(None, None, ["a"]) == ["a"]


def test_hook_register_objectives(site):
    host = register(site, ObjectiveSpec, "ObjectiveSpec('x', 's', Empty, lambda config, context: context, ('label',))")
    assert host.spec(ObjectiveSpec, "x").needs == ("label",)


def test_hook_register_readers(site):
    host = register(site, ReaderSpec, "ReaderSpec('x', 's', Empty, lambda config, folder: [Example(str(folder))])")
    assert [example.text for example in host.spec(ReaderSpec, "x").read(None, Path("here"))] == ["here"]


def test_hook_register_metrics(site):
    host = register(site, MetricSpec, "MetricSpec('x', 's', lambda truth, predicted: {'m': 1.0}, 'm')")
    assert host.spec(MetricSpec, "x").compute([1], [1]) == {"m": 1.0}


def test_hook_register_formats(site, tmp_path):
    host = register(
        site,
        FormatSpec,
        "FormatSpec('x', 's', lambda folder: folder.name, lambda folder, backbone: (folder, backbone), "
        "lambda contents, backbone, folder: [contents])",
    )
    spec = host.spec(FormatSpec, "x")
    assert spec.detect(Path("here")) == "here"
    assert spec.read(Path("here"), "backbone") == (Path("here"), "backbone")
    assert spec.write("contents", "backbone", Path("here")) == ["contents"]


def test_hook_register_identifiers(site):
    host = register(
        site,
        IdentifierSpec,
        "IdentifierSpec('x', 's', lambda: InstalledIdentifier('x', frozenset(['fi']), lambda text: ('fi', 0.5)))",
    )
    assert installed_identifier(host).identify("moi") == ("fi", 0.5)


def test_hook_register_executors(site):
    host = register(
        site,
        ExecutorSpec,
        "ExecutorSpec('x', 's', Empty, lambda config, jobs, at_once: ((job, at_once) for job in jobs), "
        "lambda config, work: map(work.open_worker(), work.items()))",
    )
    assert list(host.spec(ExecutorSpec, "x").run(None, ["a", "b"], 2)) == [("a", 2), ("b", 2)]
    work = StreamWork(lambda: iter("ab"), lambda: str.upper)
    assert list(host.spec(ExecutorSpec, "x").answer(None, work)) == ["A", "B"]


def test_hook_register_commands(site):
    host = register(site, CommandSpec, "CommandSpec('x', 's', lambda: 'an application')")
    assert host.spec(CommandSpec, "x").load() == "an application"


def test_hook_register_routes(site):
    host = register(site, RouteSpec, "RouteSpec('x', 's', lambda: 'a router')")
    assert host.spec(RouteSpec, "x").load() == "a router"


def test_hook_check_composition(site):
    site.install(
        "strict",
        """
        @hookimpl
        def lect_check_composition(stack, backbone):
            return [Problem(f"{stack} on {backbone}", "do not")]
        """,
    )
    site.install("lenient", "@hookimpl\ndef lect_check_composition(stack): return None")
    found = site.load().check_composition("a stack", "a backbone")
    assert [(problem, record.name) for problem, record in found] == [
        (Problem("a stack on a backbone", "do not"), "strict")
    ]


def test_a_composition_check_that_fails_or_answers_wrongly_names_its_plugin(site):
    site.install("crash", "@hookimpl\ndef lect_check_composition(stack): raise KeyError(stack)")
    site.install("wrong", "@hookimpl\ndef lect_check_composition(stack): return ['no']")
    with pytest.raises(KeyError) as caught:
        site.load().check_composition("s", "b")
    assert plugin_blamed(caught.value) == "crash"
    with pytest.raises(PluginError, match=r'lect_check_composition of plugin "wrong" .* gave a str where a Problem'):
        site.load(block=["crash"]).check_composition("s", "b")


def test_hook_resolve_component(site):
    knows = """
        import pathlib
        @hookimpl
        def lect_resolve_component(reference):
            return pathlib.Path("/{name}") if reference in {references!r} else None
        """
    site.install("first", knows.format(name="first", references=["lang:jav"]))
    site.install("second", knows.format(name="second", references=["lang:jav", "lang:sun"]))
    host = site.load()
    assert host.resolve_component("lang:jav") == Path("/first"), "the first result, plugins by name"
    assert host.resolve_component("lang:sun") == Path("/second")
    assert host.resolve_component("lang:nqo") is None


def test_a_plugin_may_ask_to_be_called_first(site):
    site.install("first", "@hookimpl\ndef lect_resolve_component(): return pathlib.Path('/first')")
    site.install("second", "@hookimpl(tryfirst=True)\ndef lect_resolve_component(): return pathlib.Path('/second')")
    assert site.load().resolve_component("lang:jav") == Path("/second")


def test_a_resolution_that_is_no_path_names_its_plugin(site):
    site.install("wrong", "@hookimpl\ndef lect_resolve_component(): return '/folder'")
    with pytest.raises(PluginError, match=r'lect_resolve_component of plugin "wrong" .* gave a str where a Path'):
        site.load().resolve_component("lang:jav")


def observe(site, hook: str, **arguments) -> list:
    """What a plugin is told of an event, while another one fails at it twice."""
    names = ", ".join(arguments)
    site.install("careless", f"@hookimpl\ndef {hook}(): raise ValueError('oh no')")
    site.install("watcher", f"seen = []\n@hookimpl\ndef {hook}({names}): seen.append(({names},))")
    host = site.load()
    host.notify(hook, **arguments)
    host.notify(hook, **arguments)
    assert site.warnings == [
        f'plugin "careless" (lect-careless 1.0) failed in {hook}: ValueError: oh no '
        f"({site.folder.name}/fake_lect_careless_careless.py, line 5); "
        "the run goes on, and its later failures there are not shown"
    ]
    return sys.modules["fake_lect_watcher_watcher"].seen


def test_hook_training_started(site):
    assert observe(site, "lect_training_started", run=RUN) == [(RUN,)] * 2


def test_hook_step_finished(site):
    arguments = {"run": RUN, "step": 3, "metrics": {"loss": 0.5}}
    assert observe(site, "lect_step_finished", **arguments) == [(RUN, 3, {"loss": 0.5})] * 2


def test_hook_evaluation_finished(site):
    arguments = {"run": RUN, "step": 3, "scores": {"macro_f1": 0.5}}
    assert observe(site, "lect_evaluation_finished", **arguments) == [(RUN, 3, {"macro_f1": 0.5})] * 2


def test_hook_training_finished(site):
    outcome = Outcome("failed", 3, 0.1, error=RuntimeError("full disk"))
    assert observe(site, "lect_training_finished", run=RUN, outcome=outcome) == [(RUN, outcome)] * 2


def test_a_plugin_that_exits_is_reported_and_an_interruption_waits_for_the_others(site):
    site.install("exits", "@hookimpl\ndef lect_training_finished(): raise SystemExit(3)")
    site.install("interrupted", "@hookimpl\ndef lect_training_finished(): raise KeyboardInterrupt")
    site.install("watcher", "seen = []\n@hookimpl\ndef lect_training_finished(run): seen.append(run)")
    with pytest.raises(KeyboardInterrupt):
        site.load().notify("lect_training_finished", run=RUN, outcome=None)
    assert sys.modules["fake_lect_watcher_watcher"].seen == [RUN]
    assert ["SystemExit: 3" in warning for warning in site.warnings] == [True]


def test_the_traceback_of_an_observer_is_there_on_request(site, monkeypatch):
    monkeypatch.setenv("LECT_TRACE", "1")
    site.install("careless", "@hookimpl\ndef lect_training_started(): raise ValueError('oh no')")
    site.load().notify("lect_training_started", run=RUN)
    assert "Traceback (most recent call last)" in site.warnings[0]


def test_an_event_that_does_not_exist_is_a_mistake_of_the_caller(site):
    with pytest.raises(ValueError, match='there is no hook "lect_step_ended"; did you mean "lect_step_finished"'):
        site.load().notify("lect_step_ended")


# --------------------------------------------------------------------------------------------- tested and documented


def test_the_list_of_hooks_is_that_of_the_specifications():
    defined = re.findall(r"^def (lect_\w+)", inspect.getsource(hookspecs), re.MULTILINE)
    assert list(HOOKS) == defined
    assert len(HOOKS) == 21


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    assert f"test_hook_{hook.removeprefix('lect_')}" in globals()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    section = _section(hook)
    assert section.startswith(f"\n```python signature\ndef {hook}{signature}\n```\n")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_documented_example_is_a_plugin_that_works(hook, site):
    (example,) = re.findall(r"^```python\n(.*?)^```", _section(hook), re.DOTALL | re.MULTILINE)
    site.install("example", example)
    (record,) = site.load().plugins[1:]
    assert (record.status, record.hooks, record.error) == ("ok", (hook,), None)


def test_the_documents_first_example_works(site):
    example = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)[1]
    site.install("example", example)
    (record,) = site.load().plugins[1:]
    assert (record.status, record.error) == ("ok", None)


def test_no_hook_is_documented_that_does_not_exist():
    assert tuple(re.findall(r"^### (\w+)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)) == HOOKS


def _section(hook: str) -> str:
    sections = re.split(r"^##+ ", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    (found,) = [section for section in sections if section.startswith(f"{hook}\n")]
    return found.removeprefix(f"{hook}\n")


def test_objects_can_be_plugins_as_well_as_modules(site):
    site.install(
        "objects",
        """
        class Plugin:
            @hookimpl
            def lect_resolve_component(self, reference):
                return pathlib.Path(reference)

        plugin = Plugin()
        """,
    )
    entry_points = site.folder / "lect_objects-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[lect.v1]\nobjects = fake_lect_objects_objects:plugin\n", "utf-8")
    assert site.load().resolve_component("here") == Path("here")
