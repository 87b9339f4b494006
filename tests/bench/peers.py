"""Peers as servers, in the same uvicorn: `python tests/bench/peers.py adapters --port 9000`. Run by `load.py`.

Each takes what `POST /v1/predict` takes of one text, and answers with the scores. One thread computes; it takes
whatever waits, at most 32 texts, as a server of one's own would:

- ``adapters``: a bottleneck for each language and each task; the active stack is switched for each group of texts of
  one stack;
- ``peft``: a LoRA for each language, `adapter_names` for each row of a mixed batch, since it has one adapter a row; the
  tasks are heads only;
- ``sentence-transformers``: the bare embedding, which knows no stacks.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import torch
import uvicorn
from fastapi import FastAPI
from many_stacks import LABELS, languages_of, tasks_of
from pydantic import BaseModel
from torch import nn

from lect.host import Host
from lect.host.backbones import load_backbone

AT_ONCE = 32


class Asked(BaseModel):
    """One text, and its stack."""

    inputs: str
    stack: str = ""


class Peer(ABC):
    """A model that answers texts, each with the names of a language and a task."""

    @abstractmethod
    def answer(self, texts: list[str], languages: list[str], tasks: list[str]) -> list[Any]:
        """What is answered for each."""


class _Tokens:
    """Texts to tensors."""

    def __init__(self) -> None:
        self.backbone = load_backbone("e5-small", host=Host.load(report=lambda line: None))
        self.model = self.backbone.model.eval()

    def __call__(self, texts: list[str]) -> dict[str, torch.Tensor]:
        prefixed = [f"{self.backbone.prefix}{text}" for text in texts]
        return dict(self.backbone.tokenizer(prefixed, padding=True, truncation=True, return_tensors="pt"))


def _pooled(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    kept = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * kept).sum(1) / kept.sum(1)


def _scores(logits: torch.Tensor) -> list[dict[str, float]]:
    return [dict(zip(LABELS, row, strict=True)) for row in logits.softmax(-1).tolist()]


class Adapters(Peer):
    """`adapters`, whose active stack is one for all rows of a batch."""

    def __init__(self, stacks: int) -> None:
        import adapters
        from adapters import SeqBnConfig

        self._tokens = _Tokens()
        self._model = self._tokens.model
        adapters.init(self._model)
        config = SeqBnConfig(reduction_factor=8)
        names = [f"l{n}" for n in range(languages_of(stacks))] + [f"t{n}" for n in range(tasks_of(stacks))]
        for name in names:
            self._model.add_adapter(name, config=config)
        width = self._model.config.hidden_size
        self._heads = {f"t{n}": nn.Linear(width, len(LABELS)) for n in range(tasks_of(stacks))}
        self._model.eval()

    @torch.no_grad()
    def answer(self, texts: list[str], languages: list[str], tasks: list[str]) -> list[Any]:
        """Group by group of one stack."""
        from adapters.composition import Stack

        groups: dict[tuple[str, str], list[int]] = {}
        for place, pair in enumerate(zip(languages, tasks, strict=True)):
            groups.setdefault(pair, []).append(place)
        found: dict[int, Any] = {}
        for (language, task), places in groups.items():
            self._model.set_active_adapters(Stack(language, task))
            batch = self._tokens([texts[place] for place in places])
            hidden = self._model(**batch)[0]
            logits = self._heads[task](_pooled(hidden, batch["attention_mask"]))
            found |= dict(zip(places, _scores(logits), strict=True))
        return [found[place] for place in range(len(texts))]


class Peft(Peer):
    """`peft`, with an adapter for each row."""

    def __init__(self, stacks: int) -> None:
        from peft import LoraConfig, get_peft_model

        self._tokens = _Tokens()
        config = LoraConfig(r=8, target_modules=["query", "value"])
        self._model = get_peft_model(self._tokens.model, config, adapter_name="l0")
        for number in range(1, languages_of(stacks)):
            self._model.add_adapter(f"l{number}", config)
        width = self._tokens.model.config.hidden_size
        self._heads = {f"t{n}": nn.Linear(width, len(LABELS)) for n in range(tasks_of(stacks))}
        self._model.eval()

    @torch.no_grad()
    def answer(self, texts: list[str], languages: list[str], tasks: list[str]) -> list[Any]:
        """All rows at once, then each through its head."""
        batch = self._tokens(texts)
        hidden = self._model(**batch, adapter_names=languages)[0]
        vectors = _pooled(hidden, batch["attention_mask"])
        return [_scores(self._heads[task](vector[None]))[0] for task, vector in zip(tasks, vectors, strict=True)]


class SentenceTransformers(Peer):
    """The bare backbone."""

    def __init__(self, stacks: int) -> None:
        from tempfile import TemporaryDirectory

        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Pooling, Transformer

        tokens = _Tokens()
        with TemporaryDirectory() as folder:
            tokens.model.save_pretrained(folder)
            tokens.backbone.tokenizer.save_pretrained(folder)
            read = Transformer(folder)
        self._model = SentenceTransformer(modules=[read, Pooling(tokens.model.config.hidden_size)], device="cpu")
        self._prefix = tokens.backbone.prefix

    def answer(self, texts: list[str], languages: list[str], tasks: list[str]) -> list[Any]:
        """Vectors of length 1."""
        prefixed = [f"{self._prefix}{text}" for text in texts]
        return [
            list(map(float, row)) for row in self._model.encode(prefixed, batch_size=AT_ONCE, normalize_embeddings=True)
        ]


PEERS: dict[str, type[Any]] = {"adapters": Adapters, "peft": Peft, "sentence-transformers": SentenceTransformers}


def make_app(peer: Peer) -> FastAPI:
    """One route, and a thread that computes."""
    app = FastAPI()
    waiting: deque[tuple[Asked, asyncio.Future[Any], asyncio.AbstractEventLoop]] = deque()
    is_there = threading.Semaphore(0)

    def compute() -> None:
        while True:
            is_there.acquire()
            taken = [waiting.popleft()]
            while waiting and len(taken) < AT_ONCE:
                is_there.acquire()
                taken.append(waiting.popleft())
            pairs = [asked.stack.replace("lang:", "").replace("task:", "").split(" + ") for asked, _, _ in taken]
            pairs = [pair if len(pair) == 2 else ["l0", "t0"] for pair in pairs]
            languages, tasks = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            answers = peer.answer([asked.inputs for asked, _, _ in taken], languages, tasks)
            for (_, future, loop), answer in zip(taken, answers, strict=True):
                loop.call_soon_threadsafe(future.set_result, answer)

    @app.post("/v1/predict")
    async def predict(asked: Asked) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        waiting.append((asked, future, loop))
        is_there.release()
        return {"results": [{"scores": await future}]}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ready"}

    threading.Thread(target=compute, daemon=True).start()
    return app


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stacks", type=int, default=1024)
    given = parser.parse_args()
    settings = {"access_log": False, "log_level": "warning"}
    uvicorn.run(make_app(PEERS[given.peer](given.stacks)), host="127.0.0.1", port=given.port, **settings)


if __name__ == "__main__":
    main()
