"""A model with its stacks as a `sentence_transformers.SentenceTransformer`: its first and only module."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule

from lect.api.components import components
from lect.api.opened import OpenStacks, StackLike
from lect.composition.encode import RowEncoder
from lect.composition.finite import check_vectors
from lect.composition.references import Reference
from lect.engine.open import open_stack
from lect.errors import DataError, StackError, UserError, nearest
from lect.host import Host
from lect.selection.automatic import rest_of
from lect.selection.donors import is_automatic
from lect.storage.assemble import finder
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry
from lect.storage.members import read_with_members

if TYPE_CHECKING:
    from lect.composition.rows import EncodedRows
    from lect.storage.store import StoredComponent

CONFIG = "lect.json"
COMPONENTS = "components"
"""The folder inside a saved one that its components lie in."""
_MODULES = "modules.json"


class StackModule(InputModule):  # type: ignore[misc]
    """Texts to sentence vectors, each text through its stack.

    A text's stack is the one that ``encode(…, stack="lang:jav")`` names, or the prompt of that name
    (``prompt_name="jv"``), or of a text that is given as ``{"text": …, "stack": …}`` its own. A prompt that is no stack
    is put in front of the texts, as of any other model. With ``lang:auto`` in it a component is chosen for each text,
    by the ``language`` that a text names, or by what it is identified as.

    Args:
        opened: open stacks; they are not closed here.
        stacks: by name, stacks that prompts choose.
        max_seq_length: the most tokens of a text; by default what the backbone reads.
    """

    config_file_name = CONFIG
    forward_kwargs = {"stack"}  # noqa: RUF012 - as its class has it

    def __init__(
        self, opened: OpenStacks, stacks: Mapping[str, str] | None = None, max_seq_length: int | None = None
    ) -> None:
        super().__init__()
        self._opened = opened
        self.stacks = dict(stacks or {})
        # What is saved are the components as they lie on the disk: none is trained here.
        self.routed = opened.engine.model.requires_grad_(False)
        self.max_seq_length = max_seq_length
        self.tokenizer = opened.own.backbone.tokenizer

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a text; longer ones are cut."""
        return self._encoder.max_length

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        self._encoder = RowEncoder(self.routed, value)

    def get_embedding_dimension(self) -> int:
        """The width of a vector."""
        return int(self._opened.engine.embed(["a"], self._opened.own.keys).shape[1])

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, stack: StackLike | None = None, **_: Any
    ) -> dict[str, Any]:
        """Texts as token ids, each cut by the tokenizer of its own stack."""
        texts, prompted = [_text(each) for each in inputs], prompt or ""
        if stack is None and prompted and prompted in self.stacks.values():
            stack, prompted = prompted, ""
        own = [each.get("stack", stack) if isinstance(each, Mapping) else stack for each in inputs]
        keys = [
            self._opened.chosen(stack, text, _language(each))[0].keys
            for stack, text, each in zip(own, texts, inputs, strict=True)
        ]
        rows = self._encoder.encode([f"{prompted}{text}" for text in texts], keys)
        return {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask, "rows": rows}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The vectors of the texts, *Shape:* ``(rows, width)``, and of their tokens, ``(rows, length, hidden)``."""
        engine = self._opened.engine
        rows: EncodedRows = features["rows"].to(engine.device)
        with engine.computing():
            hidden = self.routed(rows)
            vectors = self.routed.vectors(hidden, rows).float()
        check_vectors(vectors, ["a text"] * rows.size)
        kept = {name: value for name, value in features.items() if name != "rows"}
        return {**kept, "token_embeddings": hidden.float(), "sentence_embedding": vectors}

    def get_config_dict(self) -> dict[str, Any]:
        """What is loaded again: stack and backbone."""
        name = self._opened.own.backbone.name
        return {
            "stack": self._opened.automatic or str(self._opened.own.stack),
            "stacks": self.stacks,
            "backbone": str(Path(name).absolute()) if Path(name).is_dir() else name,
            "max_seq_length": self.max_seq_length,
        }

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write stack and backbone by name, and the components that the stacks are made of with all their files."""
        self.save_config(output_path)
        target = Path(output_path) / COMPONENTS
        for stack in (self._opened.automatic, *self.stacks.values()):
            if is_automatic(stack):
                self._save_languages(target)
            opened = self._opened.opened(rest_of(stack)) if is_automatic(stack) else self._opened.opened(stack or None)
            for stored in opened.stored:
                _copy(stored, target)

    def _save_languages(self, target: Path) -> None:
        """Copy every component that can be chosen for a text."""
        find = finder(self._opened.library, self._opened.host)
        backbone = BackboneEntry.of(self._opened.own.backbone)
        for component in components(self._opened.library):
            if component.manifest.role == "lang" and component.manifest.backbone.goes_with(backbone):
                _copy(read_with_members(Reference("lang", component.manifest.name), find), target)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> StackModule:
        """The module of a saved folder, or of a repository of the hub."""
        known = {name: options.get(name) for name in ("token", "cache_folder", "revision")}
        only = bool(options.get("local_files_only"))
        config = cls.load_config(model_name_or_path, subfolder=subfolder, local_files_only=only, **known)
        folder = cls.load_dir_path(
            model_name_or_path, subfolder=f"{subfolder}/{COMPONENTS}".lstrip("/"), local_files_only=only, **known
        )
        return _opened(config, Path(folder) if folder else None)


def as_sentence_transformer(opened: OpenStacks, stacks: Mapping[str, StackLike] | None = None) -> SentenceTransformer:
    """Open stacks as a `SentenceTransformer`.

    Args:
        stacks: by the name of a prompt, the stack that it chooses.
    """
    named = {
        name: str(stack) if is_automatic(str(stack)) else str(opened.opened(stack).stack)
        for name, stack in (stacks or {}).items()
    }
    for name, stack in named.items():
        if not stack:
            raise StackError(f'the prompt "{name}" names an empty stack', fix="leave it out, or name a component")
    module = StackModule(opened, named)
    return SentenceTransformer(
        modules=[module], prompts=named, device=str(opened.engine.device), similarity_fn_name="cosine"
    )


def load_sentence_transformer(folder: str | Path) -> SentenceTransformer:
    """What ``save`` of such a model wrote.

    ``SentenceTransformer(folder)`` does the same up to version 5; from version 6 on it wants ``trust_remote_code=True``
    for every module that is not its own, even where no code is in the folder.

    Raises:
        UserError: the folder holds something else, or its stack or backbone is not there.
    """
    place = Path(folder)
    if not (place / _MODULES).is_file() or not (place / CONFIG).is_file():
        raise UserError(
            "this is no SentenceTransformer with a stack of lect", where=str(place), fix=f"name a folder with {CONFIG}"
        )
    config = json.loads((place / CONFIG).read_text(encoding="utf-8"))
    said = json.loads((place / "config_sentence_transformers.json").read_text(encoding="utf-8"))
    module = _opened(config, place / COMPONENTS)
    return SentenceTransformer(
        modules=[module],
        prompts=said.get("prompts"),
        default_prompt_name=said.get("default_prompt_name"),
        similarity_fn_name=said.get("similarity_fn_name"),
    )


def _opened(config: Mapping[str, Any], folder: Path | None) -> StackModule:
    lacking = {"stack", "backbone"} - config.keys()
    if lacking:
        raise UserError(f'{CONFIG} says no "{min(lacking)}"', fix="save the model again")
    library = Library((*((folder,) if folder else ()), *Library.default().folders))
    host = Host.load()
    automatic = config["stack"] if is_automatic(config["stack"]) else ""
    own = open_stack(rest_of(automatic) if automatic else config["stack"], host, library, config["backbone"])
    opened = OpenStacks(own, host, library, automatic)
    return StackModule(opened, config.get("stacks"), config.get("max_seq_length"))


def _copy(stored: StoredComponent, library: Path) -> None:
    """A component, with what it stands on, where the library of a saved folder finds it."""
    target = library / stored.manifest.role / stored.folder.name
    if target.resolve() != stored.folder.resolve():
        shutil.copytree(stored.folder, target, dirs_exist_ok=True)
    for member in stored.members.values():
        _copy(member, library)


def _language(given: Any) -> str | None:
    found = given.get("language") if isinstance(given, Mapping) else None
    return None if found is None else str(found)


def _text(given: Any) -> str:
    found = given.get("text") if isinstance(given, Mapping) else given
    if isinstance(found, str):
        return found
    if isinstance(given, Mapping) and "text" not in given:
        raise DataError(
            f"the row has no text ({', '.join(map(str, given))})", fix=nearest("text", list(map(str, given)))
        )
    raise DataError(f"the text is of type {type(found).__name__}, and a string is due", fix="give strings")
