"""Listings that are signed as a whole: older ones, and changed ones, are seen; known keys are not dropped."""

from __future__ import annotations

import json
import shutil

import pytest
from sharing import Machine, make_component, redirecting, serving

from lect.errors import RegistryError
from lect.registry import web

pytest.importorskip("minisign")


@pytest.fixture
def here(tmp_path):
    machine = Machine(tmp_path / "here")
    make_component(machine.folder / "home/components")
    return machine


@pytest.fixture
def there(tmp_path):
    return Machine(tmp_path / "there")


@pytest.fixture
def key(here):
    file = here.folder / "secret.key"
    return file, lines(here.lect("registry", "key", file))[1].removeprefix("public key: ")


@pytest.fixture
def registry(here, key, tmp_path):
    lines(here.lect("push", "lang:mad", "--to", tmp_path / "registry", "--sign", key[0]))
    return tmp_path / "registry"


def lines(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def refusal(result):
    assert result.exit_code == 1, result.stdout
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


def push_next(here, registry, *options, version="1.1.0"):
    make_component(here.folder / "home/components", version=version, fill=2.0)
    return here.lect("push", "lang:mad", "--to", registry, *options)


def test_a_known_key_is_not_dropped(there, registry, key):
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1]))
    said = refusal(there.lect("registry", "add", registry, "--name", "ours"))
    assert key[1] in said
    assert "lect registry remove ours" in said
    assert key[1] in there.lect("registry", "list", "--json").stdout
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1], "--first"))
    lines(there.lect("registry", "remove", "ours"))
    lines(there.lect("registry", "add", registry, "--name", "ours"))


def test_an_older_listing_is_refused(here, there, registry, key, tmp_path):
    shutil.copytree(registry, tmp_path / "older")
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1]))
    lines(push_next(here, registry, "--sign", key[0]))
    assert "1.1.0" in lines(there.lect("pull", "lang:mad"))[0]
    shutil.rmtree(registry)
    shutil.copytree(tmp_path / "older", registry)
    assert "an older listing" in refusal(there.lect("pull", "lang:mad@1.0", "-r", "ours"))
    # And one without a signature, where there was one before.
    (registry / "registry.toml.minisig").unlink()
    (registry / "registry.toml").write_text("# taken over\n" + (registry / "registry.toml").read_text())
    assert "was signed when it was last seen" in refusal(there.lect("pull", "lang:mad@1.0", "-r", "ours"))
    # Somebody who never saw the newer one, and a registry whose listing was never signed, go on as they were.
    fresh = Machine(tmp_path / "fresh")
    lines(fresh.lect("registry", "add", registry, "--key", key[1]))
    lines(fresh.lect("pull", "lang:mad"))


def test_what_the_listing_alone_says_is_signed(here, there, registry, key):
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1]))
    file = registry / "registry.toml"
    whole = file.read_text()
    file.write_text(whole.replace('name = "mad"', 'name = "mad"\nyanked = "use mine"', 1))
    assert "not what the registry's key signed" in refusal(there.lect("search", "mad", "-r", "ours"))
    assert "its listing is not signed" in there.lect("registry", "check", registry, "--key", key[1]).stdout
    lines(here.lect("registry", "sign", key[0], "--to", registry))
    assert "use mine" in refusal(there.lect("pull", "lang:mad", "-r", "ours"))
    yanked = here.lect("registry", "yank", "lang:mad@1.0.0", "--undo", "--to", registry)
    assert "lect registry sign KEY" in yanked.stderr
    # The same listing as before the withdrawal, with the signature of the withdrawal.
    assert "not what the registry's key signed" in refusal(there.lect("pull", "lang:mad", "-r", "ours"))
    lines(here.lect("registry", "yank", "lang:mad@1.0.0", "--undo", "--to", registry, "--sign", key[0]))
    lines(there.lect("pull", "lang:mad", "-r", "ours"))
    lines(there.lect("registry", "check", registry, "--key", key[1]))


def test_a_push_without_the_key_says_that_the_listing_is_no_longer_signed(here, there, registry, key):
    pushed = push_next(here, registry)
    assert pushed.exit_code == 0
    assert "lect registry sign KEY" in pushed.stderr
    # A contributor's own key does not stand in for that of the registry.
    other = here.folder / "other.key"
    lines(here.lect("registry", "key", other))
    assert "lect registry sign KEY" in push_next(here, registry, "--sign", other, version="1.2.0").stderr
    lines(here.lect("registry", "sign", key[0], "--to", registry))
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1]))
    assert "is not signed" in refusal(there.lect("pull", "lang:mad@1.1"))
    lines(there.lect("pull", "lang:mad@1.0"))


def test_over_a_server(here, there, registry, key):
    with serving(registry) as server:
        lines(there.lect("registry", "add", server.url, "--name", "ours", "--key", key[1]))
        older = {name: (registry / name).read_bytes() for name in ("registry.toml", "registry.toml.minisig")}
        lines(push_next(here, registry, "--sign", key[0]))
        lines(there.lect("pull", "lang:mad"))
        for name, content in older.items():
            (registry / name).write_bytes(content)
        assert "an older listing" in refusal(there.lect("pull", "lang:mad@1.0", "-r", "ours"))


def test_offline_goes_on_with_what_was_checked(there, registry, key):
    with serving(registry) as server:
        lines(there.lect("registry", "add", server.url, "--name", "ours", "--key", key[1]))
        lines(there.lect("pull", "lang:mad"))
    assert "lang:mad" in lines(there.lect("search", "mad", "-r", "ours", "--offline"))[-1]


def test_results_that_the_component_does_not_have(here, there, tmp_path):
    registry = tmp_path / "registry"
    lines(here.lect("push", "lang:mad", "--to", registry))
    file = registry / "registry.toml"
    boast = 'results = [{ metric = "f1", value = 1.0, dataset = "everything" }]\n'
    file.write_text(file.read_text().replace('name = "mad"\n', f'name = "mad"\n{boast}', 1))
    lines(there.lect("registry", "add", registry))
    assert "the registry lists other results" in refusal(there.lect("pull", "lang:mad"))
    assert there.components == []


@pytest.mark.parametrize(
    ("target", "network"),
    [("https://169.254.169.254/latest/meta-data", "the link's own network"), ("https://10.1.2.3/", "a private network"),
     ("https://[fe80::1]/x", "the link's own network"), ("https://[::ffff:192.168.0.1]/", "a private network"),
     ("http://localhost:1/x", "this machine")],
)  # fmt: skip
def test_redirects_into_networks_that_the_registry_is_not_in(there, registry, target, network):
    with serving(registry) as server:
        server.faults["registry.toml"] = redirecting(target)
        added = there.lect("registry", "add", server.url)
    if network != "this machine":
        assert f"a redirect leads here, into {network}" in refusal(added)
    with pytest.raises(RegistryError, match="redirect"):
        web._next("https://8.8.8.8/registry.toml", target, {})


def test_what_is_pushed_passes_the_check(here, tmp_path):
    folder = here.folder / "home/components/lang/mad"
    make_component(here.folder / "home/components", licence="")
    said = refusal(here.lect("push", "lang:mad", "--to", tmp_path / "registry"))
    assert "lect components card lang:mad --licence" in said
    assert "not" in refusal(here.lect("components", "card", "lang:mad", "--licence", "nonsense"))
    lines(here.lect("components", "card", "lang:mad", "--licence", "CC-BY-4.0"))
    assert 'licence = "CC-BY-4.0"' in (folder / "component.toml").read_text()
    lines(here.lect("push", "lang:mad", "--to", tmp_path / "registry"))
    lines(here.lect("registry", "check", tmp_path / "registry"))
    # The card was written by hand, or the manifest changed behind it: nothing of it is overwritten unasked.
    make_component(here.folder / "home/components", version="2.0.0")
    manifest = folder / "component.toml"
    manifest.write_text(manifest.read_text().replace("CC-BY-4.0", "MIT"))
    said = refusal(here.lect("push", "lang:mad", "--to", tmp_path / "registry"))
    assert "its card says license" in said
    assert "lect components card lang:mad" in said
    lines(here.lect("components", "card", "lang:mad"))
    lines(here.lect("push", "lang:mad", "--to", tmp_path / "registry"))
    lines(here.lect("registry", "check", tmp_path / "registry"))


def test_no_registry_to_sign(here, key, tmp_path):
    assert "cannot be read" in refusal(here.lect("registry", "sign", key[0], "--to", tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_spoilt_note_of_what_was_seen(there, registry, key):
    lines(there.lect("registry", "add", registry, "--name", "ours", "--key", key[1]))
    seen = there.folder / "home/registries.seen.json"
    assert json.loads(seen.read_text())["ours"]["counter"] > 0
    seen.write_text("{")
    assert str(seen) in refusal(there.lect("pull", "lang:mad", "-r", "ours"))
