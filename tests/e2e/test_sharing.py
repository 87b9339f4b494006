"""Components from one machine to another: published, found, pulled, checked, used; and locked, packed, withdrawn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from sharing import Machine, make_component, serving
from waiting import PATIENCE

from lect.files import folder_aside
from lect.storage.store import read_component
from lect.testing.backbones import save_tiny_backbone


@pytest.fixture
def here(tmp_path):
    machine = Machine(tmp_path / "here")
    make_component(machine.folder / "home/components")
    return machine


@pytest.fixture
def there(tmp_path):
    return Machine(tmp_path / "there")


@pytest.fixture
def registry(here, tmp_path):
    """A registry with one component."""
    done = here.lect("push", "lang:mad", "--to", tmp_path / "registry")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "registry"


@pytest.fixture
def server(registry):
    with serving(registry) as server:
        yield server


def lines(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.processes
def test_published_in_one_process_and_used_in_another(tmp_path, monkeypatch):
    """Two processes, a server in a third: train here, push, serve; there search, pull, verify and predict."""
    from lect.storage.manifest import HeadEntry
    from lect.storage.restore import build_part

    here, there = Machine(tmp_path / "here"), Machine(tmp_path / "there")
    for machine in (here, there):
        save_tiny_backbone(machine.folder / "backbone")
    make_task(here, build_part, HeadEntry)
    pushed, printed = finish(here.start("push", "task:mood", "--to", "registry"))
    assert pushed == 0, printed
    serve = here.start("registry", "serve", "registry", "--port", "0")
    try:
        url = serve.stdout.readline().split()[0]
        assert there.lect("predict", "-s", "task:mood", "warm").stderr.endswith("try: lect pull task:mood\n")
        assert finish(there.start("registry", "add", url, "--name", "ours"))[0] == 0
        code, found = finish(there.start("search", "--language", "mad", "--task", "mood", "--json"))
        assert code == 0
        assert [each["name"] for each in json.loads(found)] == ["mood"]
        code, printed = finish(there.start("pull", "task:mood@^1"))
        assert code == 0
        assert printed.startswith("task:mood@1.0.0  from ours, ")
    finally:
        serve.kill()
        serve.communicate()
    code, printed = finish(there.start("verify"))
    assert (code, printed) == (0, f"task:mood@1.0.0  sound, as pulled from {url}\n")
    code, printed = finish(there.start("predict", "-s", "task:mood", "--json", "warm day"))
    assert code == 0, printed
    monkeypatch.chdir(here.folder)
    assert json.loads(printed) == json.loads(here.lect("predict", "-s", "task:mood", "--json", "warm day").stdout)


def make_task(machine, build_part, head_entry):
    from lect.composition.component import Component
    from lect.host import Host
    from lect.host.backbones import load_backbone
    from lect.specs import BuildContext, Corpus
    from lect.storage.card import render_card
    from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
    from lect.storage.restore import build_head
    from lect.storage.store import write_component

    host = Host.load(report=lambda line: None)
    backbone = load_backbone(str(machine.folder / "backbone"), host=host)
    manifest = Manifest(
        name="mood",
        role="task",
        languages=("mad",),
        licence="CC0-1.0",
        backbone=BackboneEntry(
            name="./backbone", identity="tiny", fingerprint=backbone.fingerprint, hidden_size=backbone.hidden_size
        ),
        parts=(PartEntry(method="full"),),
        head=head_entry(kind="classification", labels=("bad", "good")),
    )
    torch.manual_seed(0)
    part = build_part(host, "full", {}, BuildContext(backbone, Corpus(())), "test")
    head = build_head(host, "classification", {}, backbone, ("bad", "good"), "test")
    tensors = Component("task:mood", "task", {"full": part}, head).tensors()
    write_component(machine.folder / "components/task/mood", manifest, tensors, None, render_card(manifest))


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out + err


def test_what_is_pulled_is_what_was_pushed_to_the_bit(here, there, server):
    assert there.lect("registry", "add", server.url).exit_code == 0
    assert there.lect("pull", "lang:mad").exit_code == 0
    first = read_component(here.folder / "home/components/lang/mad")
    second = read_component(there.folder / "home/components/lang/mad@1.0.0")
    assert first.manifest == second.manifest
    assert torch.equal(first.tensors["full.weight"], second.tensors["full.weight"])
    again = lines(there.lect("pull", "lang:mad"))
    assert again[0] == "lang:mad@1.0.0  is there already"
    assert max(server.asked[path] for path in server.asked if path.startswith("components")) == 1


def test_a_registry_that_has_not_changed_is_not_sent_again(there, server):
    lines(there.lect("registry", "add", server.url))
    etags = []
    server.faults["registry.toml"] = lambda handler, content: (
        etags.append(handler.headers["If-None-Match"]),
        handler.send_response(304),
        handler.end_headers(),
    )
    assert lines(there.lect("pull", "lang:mad"))[0].startswith("lang:mad@1.0.0  from ")
    assert etags[0].strip('"')


def test_versions_and_ranges(here, there, registry):
    for version, fill in (("1.2.0", 2.0), ("2.0.0", 3.0), ("2.1.0rc1", 4.0)):
        make_component(here.folder / "home/components", version=version, fill=fill)
        lines(here.lect("push", "lang:mad", "--to", registry))
    for reference, version in (
        ("lang:mad", "2.0.0"), ("lang:mad@1.2", "1.2.0"), ("lang:mad@^1", "1.2.0"),
        ("lang:mad@>=1,<1.1", "1.0.0"), ("lang:mad@~1.0", "1.0.0"), ("lang:mad@2.1.0rc1", "2.1.0rc1"),
    ):  # fmt: skip
        [pulled] = json.loads("\n".join(lines(there.lect("pull", reference, "--registry", registry, "--json"))))
        assert pulled["component"] == f"lang:mad@{version}", reference
    for reference, version in (("lang:mad", "2.0.0"), ("lang:mad@^1", "1.2.0"), ("lang:mad@<1.1", "1.0.0")):
        [checked] = json.loads("\n".join(lines(there.lect("verify", reference, "--json"))))
        assert checked["folder"].endswith(f"mad@{version}")
    refused = there.lect("pull", "lang:mad@^3", "--registry", registry)
    assert refused.exit_code == 1
    assert 'there is "lang:mad" only in version 1.0.0, 1.2.0, 2.0.0, 2.1.0rc1, not ^3' in refused.stderr


def test_a_version_is_never_changed(here, registry):
    assert "is listed already" in lines(here.lect("push", "lang:mad", "--to", registry))[0]
    before = (registry / "registry.toml").read_bytes()
    make_component(here.folder / "home/components", fill=5.0)
    refused = here.lect("push", "lang:mad", "--to", registry)
    assert refused.exit_code == 1
    assert "lang:mad@1.0.0 is listed with other files, and a version is never changed" in refused.stderr
    assert (registry / "registry.toml").read_bytes() == before
    assert lines(here.lect("registry", "check", registry)) == [f"{registry / 'registry.toml'}  is sound"]


def test_a_lock_brings_the_very_same_elsewhere(here, there, server, tmp_path):
    lock = tmp_path / "lect.lock"
    assert lines(here.lect("lock", "-s", "0.5*lang:mad", "-o", lock)) == [f"{lock}  0.5*lang:mad@1.0.0"]
    make_component(here.folder / "home/components", version="1.1.0", fill=2.0)
    lines(here.lect("push", "lang:mad", "--to", server.folder))
    lines(there.lect("registry", "add", server.url))
    assert lines(there.lect("pull", "--locked", lock))[0] == "stack: 0.5*lang:mad@1.0.0"
    assert there.components == ["mad@1.0.0"]
    lock.write_text(lock.read_text().replace('sha256 = "', 'sha256 = "0', 1).replace('sha256 = "0', 'sha256 = "', 1))
    other = Machine(tmp_path / "other")
    make_component(tmp_path / "changed/components", fill=9.0)
    lines(other.lect("push", tmp_path / "changed/components/lang/mad", "--to", tmp_path / "changed/registry"))
    refused = other.lect("pull", "--locked", lock, "--registry", tmp_path / "changed/registry")
    assert refused.exit_code == 1
    assert "no registry has lang:mad@1.0.0 with the hashes that are locked" in refused.stderr
    assert other.components == []


def test_components_are_found_by_the_names_of_their_languages(there, registry):
    lines(there.lect("registry", "add", registry))
    for words in (("madurese",), ("--language", "Madurese"), ("-l", "mad")):
        assert [each["name"] for each in json.loads(there.lect("search", "--json", *words).stdout)] == ["mad"]
    refused = there.lect("search", "--language", "madureese")
    assert refused.exit_code == 1
    assert 'did you mean "mad"?' in refused.stderr


def test_a_search_that_finds_nothing_says_where_there_is_something(there, registry):
    lines(there.lect("registry", "add", registry))
    found = lines(there.lect("search", "bottleneck", "double"))
    assert found[-1] == "Among plugins there is: lect search --plugins bottleneck double"
    assert "lect-language" in there.lect("search", "--plugins", "bottleneck", "double").stdout
    found = lines(there.lect("search", "--plugins", "madurese"))
    assert found[-1] == "Among components there is: lect search madurese"


def test_withdrawn_versions(here, there, registry):
    make_component(here.folder / "home/components", version="1.1.0", fill=2.0)
    lines(here.lect("push", "lang:mad", "--to", registry))
    lines(here.lect("registry", "yank", "lang:mad@1.1", "--reason", "half of it is wrong", "--to", registry))
    lines(there.lect("registry", "add", registry))
    assert lines(there.lect("pull", "lang:mad"))[0].startswith("lang:mad@1.0.0 ")
    refused = there.lect("pull", "lang:mad@1.1")
    assert refused.exit_code == 1
    assert "lang:mad@1.1.0 was withdrawn: half of it is wrong" in refused.stderr
    assert there.components == ["mad@1.0.0"]
    assert "1.1.0" not in there.lect("search", "--language", "mad").stdout
    all_the_same = there.lect("pull", "lang:mad@1.1", "--yanked")
    assert all_the_same.exit_code == 0
    assert "warning: lang:mad@1.1.0 was withdrawn: half" in all_the_same.stderr
    lines(here.lect("registry", "yank", "lang:mad@1.1", "--undo", "--to", registry))
    assert "1.1.0" in there.lect("search", "--language", "mad").stdout


def test_signatures(here, there, tmp_path):
    pytest.importorskip("minisign")
    key, other = tmp_path / "secret.key", tmp_path / "other.key"
    public = lines(here.lect("registry", "key", key))[1].removeprefix("public key: ")
    wrong = lines(here.lect("registry", "key", other))[1].removeprefix("public key: ")
    assert key.stat().st_mode & 0o777 == 0o600
    signed, unsigned = tmp_path / "signed", tmp_path / "unsigned"
    assert "signed" in lines(here.lect("push", "lang:mad", "--to", signed, "--sign", key))[0]
    lines(here.lect("push", "lang:mad", "--to", unsigned))
    lines(there.lect("registry", "add", signed, "--key", public, "--name", "ours"))
    lines(there.lect("registry", "check", signed, "--key", public))
    assert "is not signed with this key" in there.lect("registry", "check", signed, "--key", wrong).stdout
    lines(there.lect("pull", "lang:mad"))
    assert f"signed with {public}" in lines(there.lect("verify"))[0]
    (signed / "registry.toml.minisig").rename(signed / "kept.minisig")
    for number, (registry, known, said) in enumerate(
        (
            (unsigned, public, "is not signed"),
            (signed, wrong, "is not that of the registry's key"),
        )
    ):
        machine = Machine(tmp_path / f"machine{number}")
        lines(machine.lect("registry", "add", registry, "--key", known))
        refused = machine.lect("pull", "lang:mad")
        assert refused.exit_code == 1
        assert said in refused.stderr
        assert machine.components == []
    (signed / "kept.minisig").rename(signed / "registry.toml.minisig")
    assert "not what the registry's key signed" in machine.lect("registry", "add", signed, "--key", wrong).stderr


def test_a_signature_is_for_one_name_version_and_content(here, there, tmp_path):
    pytest.importorskip("minisign")
    public = lines(here.lect("registry", "key", tmp_path / "secret.key"))[1].removeprefix("public key: ")
    registry = tmp_path / "registry"
    lines(here.lect("push", "lang:mad", "--to", registry, "--sign", tmp_path / "secret.key"))
    # Without the listing's own signature, as registries of older versions are.
    (registry / "registry.toml.minisig").unlink()
    file = registry / "registry.toml"
    file.write_text(file.read_text().replace('version = "1.0.0"', 'version = "9.0.0"'))
    shutil.copytree(registry / "components/lang/mad/1.0.0", registry / "components/lang/mad/9.0.0")
    lines(there.lect("registry", "add", registry, "--key", public))
    refused = there.lect("pull", "lang:mad")
    assert refused.exit_code == 1
    assert "the signature of lang:mad@9.0.0 is not that of the registry's key" in refused.stderr


def test_mirrors_and_offline(here, there, server, registry, tmp_path):
    mirror = tmp_path / "mirror"
    shutil.copytree(registry, mirror)
    lines(there.lect("registry", "add", server.url, "--mirror", mirror, "--name", "ours"))
    server.faults[".safetensors"] = lambda handler, content: handler.send_error(500)
    lines(there.lect("pull", "lang:mad"))
    assert lines(there.lect("verify", "lang:mad"))
    lines(there.lect("components", "remove", "lang:mad"))
    server.faults[""] = lambda handler, content: handler.send_error(500)
    assert "mad" in there.lect("search", "--offline", "--registry", "ours").stdout
    lines(there.lect("pull", "lang:mad", "--offline"))
    assert there.components == ["mad@1.0.0"]


def test_removing_and_sweeping(here, there, registry):
    lines(there.lect("pull", "lang:mad", "--registry", registry))
    swept = json.loads(there.lect("components", "gc", "--json").stdout)
    assert swept == {"files": 0, "size": 0, "restored": []}
    lines(there.lect("components", "remove", "lang:mad@1.0.0"))
    assert json.loads(there.lect("components", "gc", "--json").stdout)["files"] == 3
    assert [path for path in (there.folder / "cache/blobs").glob("??/*") if path.name != ".lock"] == []
    refused = here.lect("components", "remove", "lang:mad")
    assert refused.exit_code == 1
    assert "was made here, and could not be pulled again" in refused.stderr
    assert here.components == ["mad"]


def test_sweeping_brings_the_only_copy_back_and_leaves_what_a_living_writer_writes(here, monkeypatch, tmp_path):
    home, work = here.folder / "home/components/lang", tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    # Killed between the two renames of a replacement, as lect wrote until 1.0: both copies out of their place.
    shutil.copytree(home / "mad", home / ".mad.0123456789ab.partial")
    (home / "mad").rename(home / ".mad.ba9876543210.partial")
    litter = [
        home / ".other.0123456789ab.partial",
        here.folder / "cache/deep/.made.0123456789ab.partial",
        work / ".index.0123456789ab.partial",
        work / "runs/lang-mad/.recipe.toml.0123456789ab.partial",
    ]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    (work / ".mine.partial").write_text("not of lect")
    with folder_aside(home / "new") as living:
        swept = json.loads(here.lect("components", "gc", "--all", "--json").stdout)
        assert living.exists()
    assert swept["restored"] == [str(home / "mad")]
    assert swept["files"] == len(litter) + 1
    assert read_component(home / "mad").manifest.name == "mad"
    assert sorted(path.name for path in home.iterdir()) == ["mad", "new"]
    assert sorted(path.name for path in work.iterdir()) == [".mine.partial", "runs"]


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%23b", "ä b"])
def test_any_name_of_the_cache_will_do(registry, tmp_path, name):
    there = Machine(tmp_path / name)
    for _ in range(2):
        assert "mad" in there.lect("search", "mad", "--registry", registry).stdout
    assert list((tmp_path / name / "cache/registries").glob("*.sqlite"))


@pytest.mark.processes
def test_packed_and_unpacked(here, there, tmp_path):
    first, second = tmp_path / "first.lect.tar", tmp_path / "second.lect.tar"
    lines(here.lect("components", "pack", "lang:mad", first))
    shutil.copytree(here.folder / "home/components/lang/mad", tmp_path / "copy")
    lines(here.lect("components", "pack", tmp_path / "copy", second))
    assert first.read_bytes() == second.read_bytes()
    assert lines(there.lect("components", "unpack", first))[0] == "lang:mad@1.0.0"
    lines(there.lect("components", "unpack", first))
    assert there.components == ["mad@1.0.0"]
    assert subprocess.run(["tar", "tf", first], capture_output=True, text=True).stdout.split() == [
        "README.md", "component.toml", "weights.safetensors",
    ]  # fmt: skip


def test_what_cannot_be_shared(here, tmp_path):
    component = here.folder / "home/components/lang/mad"
    (component / "model.pkl").write_bytes(b"\x80\x04.")
    refused = here.lect("push", "lang:mad", "--to", tmp_path / "registry")
    assert "model.pkl: is a program or a pickle" in refused.stderr
    (component / "model.pkl").unlink()
    (component / "elsewhere").symlink_to(tmp_path)
    assert "elsewhere: is a link" in here.lect("push", "lang:mad", "--to", tmp_path / "registry").stderr
    (component / "elsewhere").unlink()
    make_component(here.folder / "home/components", licence="")
    assert "states no licence" in here.lect("push", "lang:mad", "--to", tmp_path / "registry").stderr
    assert not (tmp_path / "registry/components").exists()


def test_building_and_checking(here, tmp_path):
    registry = tmp_path / "registry"
    lines(here.lect("registry", "build", registry))
    shutil.copytree(here.folder / "home/components/lang/mad", registry / "components/lang/mad/1.0.0")
    assert lines(here.lect("registry", "build", registry))[0] == "lang:mad@1.0.0  entered"
    lines(here.lect("registry", "check", registry))
    weights = registry / "components/lang/mad/1.0.0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    checked = here.lect("registry", "check", registry)
    assert checked.exit_code == 1
    assert f"lang:mad@1.0.0: {weights} is not the file that is listed" in checked.stdout


def test_the_bundled_registry_is_sound(here):
    from lect.registry.settings import bundled_registry

    lines(here.lect("registry", "check", bundled_registry()))
    found = json.loads(here.lect("search", "--plugins", "--json").stdout)
    assert "lect-lora" in {each["distribution"] for each in found}


@pytest.mark.processes
def test_modules_of_torch_are_not_loaded_to_search(here, registry):
    code = (
        "import sys; from typer.testing import CliRunner; from lect.commands.app import app\n"
        f"CliRunner().invoke(app, ['search', '--registry', {str(registry)!r}])\n"
        "assert not {'torch', 'transformers', 'httpx', 'huggingface_hub'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
