"""Panics of the tokenizers' library, which are no exceptions, at the boundary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lect.errors import ComponentError


@contextmanager
def no_panic(where: str) -> Iterator[None]:
    """A block that runs a tokenizer: what the library dies of becomes a `ComponentError`."""
    try:
        yield
    except (ComponentError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of its Rust is no `Exception`
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ComponentError(
            f"its tokenizer cannot be used ({said})", where=where, fix="fetch or train the component again"
        ) from None
