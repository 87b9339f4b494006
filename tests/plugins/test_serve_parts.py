"""What the server does while components change under it: no answer is of other weights than it says."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import threading
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")

from served import Shop
from versions import Versions, replace_folder

from lect import Example
from lect.storage.digests import content_digest
from lect_serve.access import Access, Client
from lect_serve.app import make_app
from lect_serve.refusals import FullMemoryError, InvalidError, OverloadedError, TooLateError
from lect_serve.settings import KeyConfig

ALICE = Client("alice", False)
BOB = Client("bob", False)


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    shop.write("lang:jav", seed=1)
    shop.write("lang:sun", seed=2)
    shop.write("task:mood", method=None, labels=("bad", "good"))
    return shop


def run(service, scenario):
    """Run a scenario with a service that is ready, in one event loop."""

    async def whole():
        await service.start()
        try:
            return await scenario(service)
        finally:
            await service.stop()

    return asyncio.run(whole())


async def until(condition):
    """Let others run until something holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never held")


@asynccontextmanager
async def nothing_computed(service):
    """A block in which the thread that computes is busy."""
    begun, block = threading.Event(), threading.Event()
    held = service.scheduler.between_batches(lambda: begun.set() or block.wait(60))
    await until(begun.is_set)
    try:
        yield
    finally:
        block.set()
        await asyncio.wrap_future(held)


def rows(text, stack, count=1):
    return [(Example(text, origin=f"text {number + 1}"), stack) for number in range(count)]


async def answer(service, stack, text="some words", client=ALICE):
    """The scores of one text, and the digests of what gave them."""
    (found,), answering = await service.answers(client, rows(text, stack))
    return dict(found.scores), tuple(each.digest for each in answering.leases[stack].provenance)


def test_a_component_that_is_replaced_is_taken_up_and_the_old_one_leaves_the_memory(shop):
    stack = "lang:jav + task:mood"

    async def scenario(service):
        before, digests = await answer(service, stack)
        shop.write("lang:jav", seed=7)
        after, others = await answer(service, stack)
        return before, digests, after, others, service.parts.listed()

    alone = dict(shop.solo(stack).predict([Example("some words")])[0].scores)
    before, digests, after, others, attached = run(shop.service(), scenario)
    assert before == pytest.approx(alone, abs=1e-5)
    alone = dict(shop.solo(stack).predict([Example("some words")])[0].scores)
    assert after == pytest.approx(alone, abs=1e-5)
    assert digests[0] != others[0] == content_digest(shop.library.folders[0] / "lang/jav")
    assert digests[1] == others[1]
    assert [each["digest"] for each in attached if each["component"] == "lang:jav"] == [others[0]]


def test_two_contents_of_one_name_answer_side_by_side_and_the_old_one_stays_while_it_is_used(shop):
    async def scenario(service):
        old = await service.parts.lease("lang:jav")
        shop.write("lang:jav", seed=7)
        new = await service.parts.lease("lang:jav")
        vectors = [service.engine.embed(["some words"], lease.keys) for lease in (old, new)]
        in_memory = len(service.parts.listed())
        service.parts.release(old)
        left = [each["digest"] for each in service.parts.listed()]
        await service.alone(lambda: None)
        attached = sorted(service.engine.model.components)
        service.parts.release(new)
        return vectors, in_memory, left, attached, new

    (old, new), in_memory, left, attached, lease = run(shop.service(), scenario)
    assert not np.allclose(old, new)
    assert in_memory == 2 and left == [lease.provenance[0].digest]
    assert attached == list(lease.keys)


def test_what_is_removed_from_the_disk_is_unknown_from_then_on(shop):
    async def scenario(service):
        await answer(service, "lang:sun + task:mood")
        shutil.rmtree(shop.library.folders[0] / "lang/sun")
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/predict", json={"inputs": "a", "stack": "lang:sun + task:mood"})

    assert run(shop.service(), scenario).status_code == 404


def test_the_list_of_components_is_never_an_old_one(shop):
    async def scenario(service):
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def listed():
                models = (await client.get("/v1/models")).json()["data"]
                records = await service.listed()
                return {each["id"] for each in models}, {each["component"]: each["version"] for each in records}

            found = [await listed()]
            folder = shop.write("lang:ban")
            found.append(await listed())
            # What tells it is the disk, and not that so little time has gone by.
            os.utime(folder.parent, ns=(1, 1))
            found.append(await listed())
            shutil.rmtree(folder)
            os.utime(folder.parent, ns=(1, 1))
            found.append(await listed())
            manifest = shop.library.folders[0] / "lang/sun/component.toml"
            manifest.write_text(manifest.read_text("utf-8").replace('version = "1.0.0"', 'version = "2.5.0"'), "utf-8")
            found.append(await listed())
            return found

    first, *others = run(shop.service(), scenario)
    assert first[1] == {"lang:jav": "1.0.0", "lang:sun": "1.0.0", "task:mood": "1.0.0"} and first[1].keys() <= first[0]
    more = {**first[1], "lang:ban": "1.0.0"}
    changed = {**first[1], "lang:sun": "2.5.0"}
    assert [each[1] for each in others] == [more, more, first[1], changed]
    assert ["lang:ban" in each[0] for each in others] == [True, True, False, False]


def test_another_stack_of_components_in_memory_is_answered_without_reading_them(shop, monkeypatch):
    shop.write("task:topic", method=None, labels=("x", "y"))

    async def scenario(service):
        await answer(service, "lang:jav + task:mood")
        await answer(service, "lang:sun + task:topic")
        with monkeypatch.context() as patched:
            patched.setattr(service.parts.stacks, "read", lambda text: pytest.fail(f"{text} is read"))
            found = [await answer(service, "lang:jav + task:topic"), await answer(service, "lang:sun + task:mood")]
        shop.write("lang:jav", seed=7)
        await answer(service, "lang:jav + task:mood")
        with monkeypatch.context() as patched:
            patched.setattr(service.parts.stacks, "read", lambda text: pytest.fail(f"{text} is read"))
            return found, await answer(service, "lang:jav + task:topic")

    alone = {
        stack: dict(shop.solo(stack).predict([Example("some words")])[0].scores)
        for stack in ("lang:jav + task:topic", "lang:sun + task:mood")
    }
    found, (scores, digests) = run(shop.service(), scenario)
    for (own, _), expected in zip(found, alone.values(), strict=True):
        assert own == pytest.approx(expected, abs=1e-5)
    after = dict(shop.solo("lang:jav + task:topic").predict([Example("some words")])[0].scores)
    assert scores == pytest.approx(after, abs=1e-5) != alone["lang:jav + task:topic"]
    assert digests[0] == content_digest(shop.library.folders[0] / "lang/jav") != found[0][1][0]


def test_components_are_kept_by_least_recent_use_within_the_bound_but_for_pinned_ones(shop):
    for number in range(6):
        shop.write(f"lang:l{number}", method="full", seed=number)
    size = 0

    async def scenario(service):
        nonlocal size
        await service.parts.pin("lang:l0")
        size = service.parts.size
        service.parts.most_bytes = 3 * size + size // 2
        for number in (1, 2, 1, 3, 4):
            await service.answers(ALICE, rows("a", f"lang:l{number}"), vectors=True)
        kept = [each["component"] for each in service.parts.listed()]
        leases = [await service.parts.lease(f"lang:l{number}") for number in (3, 4)]
        with pytest.raises(FullMemoryError):
            await service.parts.lease("lang:l5")
        for lease in leases:
            service.parts.release(lease)
        service.parts.release(await service.parts.lease("lang:l5"))
        return kept, service.parts.size, len(service.engine.model.components)

    kept, after, _ = run(shop.service(), scenario)
    assert sorted(kept) == ["lang:l0", "lang:l3", "lang:l4"]
    assert after <= 3.5 * size


def test_the_whole_tokenizer_that_new_tokens_make_counts_as_memory(shop):
    shop.write("lang:new", method="vocabulary")

    async def scenario(service):
        await service.answers(ALICE, rows("a", "lang:new"), vectors=True)
        (component,) = service.engine.model.components.values()
        size = service.parts.size
        service.parts.unload("lang:new")
        await service.alone(lambda: None)
        service.parts.most_bytes = size - 1
        with pytest.raises(FullMemoryError):
            await service.parts.lease("lang:new")
        return size, len(component.tokenizer_json), len(service.engine.model.components)

    size, whole, left = run(shop.service(), scenario)
    assert size > 10 * whole and left == 0


def test_a_component_in_use_is_unloaded_with_its_last_request_and_loaded_again(shop):
    async def scenario(service):
        lease = await service.parts.lease("avg(lang:jav, lang:sun) + task:mood")
        assert service.parts.unload("lang:jav") == 2
        while_used = len(service.parts.listed())
        service.parts.release(lease)
        await service.alone(lambda: None)
        left = {key.partition("#")[0] for key in service.engine.model.components}
        return while_used, left, await answer(service, "lang:jav + task:mood")

    while_used, left, (scores, _) = run(shop.service(), scenario)
    assert (while_used, left) == (4, {"lang:sun", "task:mood"})
    alone = dict(shop.solo("lang:jav + task:mood").predict([Example("some words")])[0].scores)
    assert scores == pytest.approx(alone, abs=1e-5)


def test_rows_of_a_client_who_left_leave_the_queue_at_once_and_others_go_on(shop):
    stack = "lang:jav + task:mood"

    async def scenario(service):
        loop = asyncio.get_running_loop()
        await answer(service, stack)
        async with nothing_computed(service):
            gone = asyncio.ensure_future(service.answers(ALICE, rows("a", stack, 500)))
            stays = asyncio.ensure_future(answer(service, stack, client=BOB))
            await until(lambda: service.scheduler.rows == 501)
            started = loop.time()
            gone.cancel()
            await asyncio.wait({gone})
            left, took = service.scheduler.rows, loop.time() - started
        await stays
        await until(lambda: not any(each["in_use"] for each in service.parts.listed()))
        return left, took

    left, took = run(shop.service(), scenario)
    assert left == 1 and took < 0.1


def test_more_than_may_wait_is_refused_whole(shop):
    async def scenario(service):
        await service.answers(ALICE, rows("a", "lang:jav"), vectors=True)
        async with nothing_computed(service):
            waiting = asyncio.ensure_future(service.answers(ALICE, rows("a", "lang:jav", 8), vectors=True))
            await until(lambda: service.scheduler.rows == 8)
            refused = []
            for client, count in ((BOB, 3), (ALICE, 1)):
                with pytest.raises(OverloadedError) as error:
                    await service.answers(client, rows("a", "lang:jav", count), vectors=True)
                refused.append((error.value.status, error.value.retry_after))
            within = asyncio.ensure_future(service.answers(BOB, rows("a", "lang:jav", 2), vectors=True))
            await until(lambda: service.scheduler.rows == 10)
        return refused, len((await waiting)[0]), len((await within)[0])

    refused, *answered = run(shop.service(limits={"queued_texts": 10, "queued_texts_of_client": 8}), scenario)
    assert refused == [(429, 1), (429, 1)] and answered == [8, 2]


def test_what_waits_for_too_long_is_refused_and_not_computed(shop):
    async def scenario(service):
        await service.answers(ALICE, rows("a", "lang:jav"), vectors=True)
        service.config = shop.config(limits={"seconds": 0.05})
        async with nothing_computed(service):
            with pytest.raises(TooLateError):
                await service.answers(ALICE, rows("a", "lang:jav", 8), vectors=True)
            return service.scheduler.rows

    assert run(shop.service(), scenario) == 0


def test_a_row_that_cannot_be_computed_harms_no_other_in_its_batch(shop, monkeypatch):
    from lect_serve import scheduler

    compute = scheduler.compute_rows

    def failing(engine, prepared):
        if any(row.example.text == "poison" for row in prepared):
            raise RuntimeError("a kernel failed")
        return compute(engine, prepared)

    monkeypatch.setattr(scheduler, "compute_rows", failing)

    async def scenario(service):
        texts = ["a", "poison", "b", "c"]
        found = await asyncio.gather(
            *(answer(service, "lang:jav + task:mood", text) for text in texts), return_exceptions=True
        )
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            failed = await client.post("/v1/predict", json={"inputs": "poison", "stack": "task:mood"})
        return [isinstance(each, Exception) for each in found], failed

    found, failed = run(shop.service(), scenario)
    assert found == [False, True, False, False]
    assert failed.status_code == 500 and failed.json()["error"]["type"] == "failed"
    assert "kernel" not in failed.text


def test_keys_are_checked_by_their_hashes_and_taken_up_when_their_file_changes(shop, tmp_path):
    import hashlib

    def table(name, secret, more=""):
        return f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"\n{more}\n'

    file, now = tmp_path / "serve.toml", [0.0]
    file.write_text(table("alice", "first", "texts_per_minute = 60"), "utf-8")
    access = Access(
        (KeyConfig(name="alice", sha256=hashlib.sha256(b"first").hexdigest(), texts_per_minute=60),),
        file,
        lambda: now[0],
    )
    service = shop.service(access)

    async def scenario(service):
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def ask(secret, texts=1, route="/v1/predict", **body):
                headers = {"authorization": f"Bearer {secret}"} if secret else {}
                body = body or {"inputs": ["a"] * texts, "stack": "task:mood"}
                return await client.post(route, json=body, headers=headers)

            found = [(await ask(secret)).status_code for secret in ("", "wrong", "first")]
            found.append((await client.get("/health")).status_code)
            found.append((await ask("first", texts=58)).status_code)
            limited = await ask("first", texts=11)
            found += [limited.status_code, limited.headers["retry-after"]]
            now[0] += 10
            found.append((await ask("first", texts=11)).status_code)
            found.append((await ask("first", route="/v1/components/load", stack="lang:jav")).status_code)
            file.write_text("[[keys", "utf-8")
            now[0] += 60
            found.append((await ask("first")).status_code)
            file.write_text(table("alice", "second") + table("root", "admin", "admin = true"), "utf-8")
            now[0] += 60
            found += [(await ask(secret)).status_code for secret in ("first", "second")]
            loaded = await ask("admin", route="/v1/components/load", stack="lang:jav", pin=True)
            found += [loaded.status_code, loaded.json()["components"][0]["component"]]
            headers = {"authorization": "Bearer admin"}
            listed = (await client.get("/v1/components", headers=headers)).json()
            found.append([each["pinned"] for each in listed["attached"] if each["component"] == "lang:jav"])
            found.append((await ask("admin", route="/v1/components/unload", component="lang:jav")).json())
            found.append((await ask("admin", route="/v1/components/pull", component="lang:ban")).status_code)
            return found

    assert run(service, scenario) == [
        401, 401, 200, 200, 200, 429, "10", 200, 403, 200, 401, 200, 200, "lang:jav", [True], {"unloaded": 1}, 422
    ]  # fmt: skip


def test_components_are_fetched_from_a_registry_when_they_are_first_named(shop, tmp_path):
    import lect

    registry = tmp_path / "registry"
    registry.mkdir()
    folder = shop.write("lang:ban", seed=5)
    lect.SavedComponent.read(folder).push(registry)
    shutil.rmtree(folder)

    async def scenario(service):
        scores, digests = await answer(service, "lang:ban + task:mood")
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            unknown = await client.post("/v1/predict", json={"inputs": "a", "stack": "lang:nowhere + task:mood"})
        return scores, digests, unknown

    scores, digests, unknown = run(shop.service(registries=[str(registry)]), scenario)
    assert digests[0] == content_digest(shop.library.folders[0] / "lang/ban@1.0.0")
    assert scores == pytest.approx(
        dict(shop.solo("lang:ban + task:mood").predict([Example("some words")])[0].scores), abs=1e-5
    )
    assert unknown.status_code == 404


def test_translations_come_one_by_one_beside_what_is_read_alone(tmp_path):
    shop = Shop(tmp_path, "llama", generates=True)
    shop.write("task:eng", method=None, kind="translation", config={"prompt": "{text}:", "longest": 6})
    shop.write("lang:jav", method="lora", seed=3)
    texts = [f"word {number}" for number in range(12)]
    stack = "lang:jav + task:eng"

    async def scenario(service):
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = client.post("/v1/predict", json={"inputs": texts, "stack": stack, "stream": True})
            vectors = client.post("/v1/embeddings", json={"input": texts, "model": "lang:jav"})
            return await asyncio.gather(asked, vectors)

    streamed, vectors = run(shop.service(stacks=[stack]), scenario)
    events = [json.loads(event[6:]) for event in streamed.text.split("\n\n") if event and "[DONE]" not in event]
    found = {each["index"]: each["answer"] for each in events[1:]}
    alone = [each.value for each in shop.solo(stack).predict([Example(text) for text in texts])]
    assert [found[number] for number in range(12)] == alone
    assert vectors.status_code == 200 and len(vectors.json()["data"]) == 12


def test_a_stack_that_generates_is_refused_where_the_backbone_only_reads(tmp_path):
    shop = Shop(tmp_path, "m2m_100", generates=True)
    shop.write("task:eng", method=None, kind="translation")

    async def scenario(service):
        with pytest.raises(InvalidError, match="without the half that writes"):
            await answer(service, "task:eng")

    run(shop.service(), scenario)


def test_an_index_is_searched_by_queries_of_its_space_alone(shop, tmp_path):
    pytest.importorskip("faiss")
    from lect.retrieval.index import build_index

    texts = ["a cold day", "a warm night", "nothing at all"]
    build_index(shop.solo("lang:jav"), [Example(text, origin=text) for text in texts], tmp_path / "index")

    async def scenario(service):
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def ask(**more):
                return await client.post("/v1/search", json={"index": "days", "query": texts[1], **more})

            found, other = await ask(count=2), await ask(stack="lang:sun")
            unknown = await ask(index="../index")
            shop.write("lang:jav", seed=9)
            return found, other, unknown, await ask()

    found, other, unknown, changed = run(shop.service(indexes={"days": str(tmp_path / "index")}), scenario)
    assert found.json()["results"][0][0]["text"] == texts[1]
    assert found.json()["results"][0][0]["score"] == pytest.approx(1, abs=1e-5)
    assert len(found.json()["results"][0]) == 2 and other.status_code == 200
    assert unknown.status_code == 404
    assert changed.status_code == 422 and "another" in changed.json()["error"]["message"]


def test_no_answer_is_of_other_weights_than_it_says_whatever_happens_meanwhile(shop):
    """The soak in small: random stacks, components replaced, unloaded and evicted while hundreds are answered."""
    generator = random.Random(0)
    languages = [f"lang:l{number}" for number in range(6)]
    versions = Versions(shop, shop.folder / "versions")
    for key in languages:
        for seed in (1, 2, 3):
            versions.keep(key, shop.write(key, seed=seed, method=generator.choice(["bottleneck", "lora"])))
    for key in ("lang:jav", "task:mood"):
        versions.keep(key, shop.library.folders[0] / key.replace(":", "/"))
    stacks = [f"{key} + task:mood" for key in languages] + [f"avg(lang:jav, {key}) + task:mood" for key in languages]
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(9)]

    async def scenario(service):
        service.parts.most_bytes = 8 * 2**17
        found = []

        async def ask(number):
            chosen = [(generator.choice(stacks), generator.choice(texts)) for _ in range(generator.randint(1, 4))]
            given = [(Example(text, origin="text 1"), stack) for stack, text in chosen]
            try:
                results, answering = await service.answers(Client(f"client {number % 5}", False), given)
            except FullMemoryError:
                return
            for (stack, text), result in zip(chosen, results, strict=True):
                digests = tuple(each.digest for each in answering.leases[stack].provenance)
                found.append((stack, text, digests, dict(result.scores)))

        async def disturb():
            for _ in range(40):
                key = generator.choice(languages)
                if generator.random() < 0.3:
                    service.parts.unload(key)
                else:
                    kept = generator.choice(versions.folders[key])
                    await asyncio.to_thread(replace_folder, kept, shop.library.folders[0] / "lang" / key[5:])
                await asyncio.sleep(0)

        disturbing = asyncio.ensure_future(disturb())
        for start in range(0, 120, 24):
            await asyncio.gather(*(ask(start + number) for number in range(24)))
        await disturbing
        size = service.parts.size
        for key in (*languages, "lang:jav", "task:mood"):
            service.parts.unload(key)
        await service.alone(lambda: None)
        return found, size, (service.parts.listed(), service.engine.model.components)

    found, size, left = run(shop.service(), scenario)
    assert len(found) > 200 and size <= 8 * 2**17 and left == ([], {})
    known = versions.alone((stack, text, digests) for stack, text, digests, _ in found)
    assert len({digests for _, _, digests, _ in found}) > 9
    for stack, text, digests, scores in found:
        own = [scores[label] for label in sorted(scores)]
        assert own == pytest.approx(known[stack, text, digests], abs=1e-5), (stack, text)
