"""What holds for every registry file, known without loading its model: searching has to be quick."""

from __future__ import annotations

from lect.errors import RegistryError

SCHEMA = 1
FILE = "registry.toml"
SIGNATURE = f"{FILE}.minisig"
MAX_BYTES = 64 * 2**20


def decode_registry(content: bytes, *, where: str) -> str:
    """The text of a registry file. Raises `RegistryError` where it is too large or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise RegistryError(f"is larger than {MAX_BYTES:,} bytes", where=where)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise RegistryError("is not UTF-8", where=f"{where}, line {line}", fix="save it as UTF-8") from None
