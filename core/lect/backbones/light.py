"""Importing `transformers` where a process only reads texts: without what it imports to train and to generate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module, metadata
from importlib.util import find_spec, module_from_spec
from types import SimpleNamespace
from typing import Any

_UNNEEDED = (
    "accelerate",
    "datasets",
    "IPython",
    "jinja2",
    "opentelemetry",
    "pandas",
    "peft",
    "PIL",
    "scipy",
    "sklearn",
    "tensorboard",
    "torchaudio",
    "torchvision",
)
"""Packages that transformers imports wherever they are installed, and that no text goes through."""


def import_transformers_to_read() -> None:
    """Import what running a model takes of `transformers`, in a third of the time.

    It holds for the whole process, and so is for one that does nothing else: transformers takes optional packages,
    distributed tensors and flex attention as absent, and its own classes cannot `generate` (`lect.generation` can).
    Where transformers is imported already nothing happens; where a version cannot be imported so, it is imported
    whole when it is needed.
    """
    if "transformers" in sys.modules:
        return
    import torch
    from tokenizers import AddedToken

    with ExitStack() as changed:
        changed.enter_context(_hidden(_UNNEEDED))
        changed.enter_context(_replaced(metadata, "version", _version))
        changed.enter_context(_replaced(torch.distributed, "is_available", _no))
        # Marking a function for torch's compiler imports the whole compiler.
        changed.enter_context(_replaced(torch.compiler, "disable", _unmarked))
        # From version 5 on masks are made by what stands in the compiler, which is imported whole then.
        if "torch._dynamo" not in sys.modules and int(_version("transformers").partition(".")[0] or 0) < 5:
            changed.enter_context(_replaced(torch, "_dynamo", SimpleNamespace(allow_in_graph=_unmarked)))
        try:
            _stand_in("transformers", AddedToken=AddedToken, __version__=_version("transformers"))
            _stand_in("transformers.models")
            import transformers.generation
            import transformers.utils

            # Every module of a model names it as a base class, and its own module imports all ways of searching.
            vars(transformers.generation)["GenerationMixin"] = type("GenerationMixin", (), {})
            # From now on: a model that takes it as there would look for it where it was not imported.
            for module in (transformers.utils, transformers.utils.import_utils):
                vars(module)["is_torch_flex_attn_available"] = _no
            stood_in = sys.modules["transformers"]
            changed.enter_context(_replaced(transformers.utils, "direct_transformers_import", lambda _path: stood_in))
            import transformers.modeling_layers
            import transformers.modeling_utils
            import transformers.models.auto.modeling_auto
        except Exception:
            # Another version of transformers: whatever of it is there is taken out again.
            for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
                del sys.modules[name]


def _stand_in(package: str, **names: Any) -> None:
    """Put a package there without running its own module, which reads the source of every model for the names in it.

    That is done where it is asked for another name than these.
    """
    spec = find_spec(package)
    assert spec is not None
    module = module_from_spec(spec)

    def find(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules[package] is module:
            del sys.modules[package]
            try:
                whole = import_module(package)
            except BaseException:
                sys.modules[package] = module
                raise
            # Modules within find it under its name; those that have this one, by this function.
            sys.modules[package] = whole
        return getattr(sys.modules[package], name)

    vars(module).update(names, __getattr__=find)
    sys.modules[package] = module


@contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """A block in which these packages, as far as they are not imported yet, seem not to be installed."""
    hidden = [name for name in packages if name not in sys.modules]
    # What stands there as None is neither found nor imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            with suppress(KeyError):
                del sys.modules[name]


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    # Not by `getattr`: torch imports what it is asked for.
    former = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if former is None:
            delattr(owner, name)
        else:
            setattr(owner, name, former)


def _version(package: str) -> str:
    """As `importlib.metadata` has it, which reads a package's whole description for it; a hundred are asked for."""
    stated = metadata.distribution(package).read_text("METADATA") or ""
    return next((line[8:].strip() for line in stated.splitlines() if line.startswith("Version:")), "")


def _no(*_given: Any) -> bool:
    return False


def _unmarked(function: Any = None, **_options: Any) -> Any:
    return function or (lambda function: function)
