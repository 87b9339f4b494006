"""What a server is told: `serve.toml`, as a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from lect import Config, RecipeError, UserError, nearest


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


class KeyConfig(Config):
    """A bearer key that is accepted, by its hash: `lect serve --new-key NAME` makes one."""

    name: str = Field(min_length=1, max_length=100, description="what logs call whoever has it")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key, in hexadecimal digits")
    admin: bool = Field(False, description="whether it may load, unload and pull components")
    texts_per_minute: int | None = Field(None, gt=0, description="how many texts it may send; any number by default")


class LimitsConfig(Config):
    """How much a request may ask for, and how much may wait."""

    texts: int = Field(2048, gt=0, description="texts of a request")
    text_bytes: int = Field(100_000, gt=0, description="bytes of a text, as UTF-8")
    tokens: int = Field(131_072, gt=0, description="tokens of a request, after texts are cut to what the model reads")
    body_bytes: int = Field(8 * 2**20, gt=0, description="bytes of a request; of NDJSON those of a line")
    seconds: float = Field(60, gt=0, description="from a request to its answer")
    queued_texts: int = Field(8192, gt=0, description="texts that may wait, of all clients")
    queued_texts_of_client: int = Field(4096, gt=0, description="texts that may wait, of one client")
    queued_seconds: float = Field(10, gt=0, description="no more is taken in where what waits takes longer than this")
    connections: int = Field(1024, gt=0, description="requests at once; others are refused")


class MemoryConfig(Config):
    """How much of the memory components may take."""

    megabytes: int = Field(1024, gt=0, description="of all components together; those used longest ago go first")
    pinned: Texts = Field((), description="stacks that stay attached")


class ServeConfig(Config):
    """Everything that `serve.toml` may say; the command line goes before it."""

    host: str = Field("127.0.0.1", description="the address to listen on; 0.0.0.0 for every one of this machine")
    port: int = Field(8080, ge=0, le=65535, description="0 for any free one")
    backbone: str | None = Field(None, description="a name, hub id or folder; by default that of the first stack")
    stacks: Texts = Field((), description="stacks that are loaded before the first request, the default one first")
    library: str | None = Field(None, description="the folder of components")
    registries: Texts = Field((), description="where components that the library lacks are fetched from")
    device: str | None = Field(None, description="such as cpu or cuda:0; by default the first GPU")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="what the model computes in")
    graphs: bool = Field(False, description="whether the layers are recorded as CUDA graphs; on a GPU alone")
    tokens_per_batch: int | None = Field(None, gt=0, description="by default 1024 on a CPU and 16384 on a GPU")
    indexes: dict[str, str] = Field(default_factory=dict, description="by name, folders of indexes to be searched")
    cors_origins: Texts = Field((), description="pages of which origins may ask; none by default")
    hosts: Texts = Field(
        (),
        description="names that it may be asked by where it listens on loopback and has no keys, besides those of this "
        "machine; * for any. A page of elsewhere could have its own name point here",
    )
    log_texts: bool = Field(False, description="whether texts are written to the log")
    drain_seconds: float = Field(30, ge=0, description="how long requests are waited for when the server stops")
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    memory: MemoryConfig = Field(default_factory=MemoryConfig)
    keys: Annotated[tuple[KeyConfig, ...], BeforeValidator(_tuple)] = Field(
        (), description="bearer keys; without any, whoever reaches the address may ask"
    )


def read_settings(file: Path | None, given: dict[str, Any]) -> ServeConfig:
    """The settings of a file, with what the command line gives in their place.

    Raises:
        UserError: the file cannot be read, or a field is wrong; says which.
    """
    values: dict[str, Any] = {} if file is None else _toml(file)
    values.update(given)
    try:
        return ServeConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        fix = None
        if first["type"] == "extra_forbidden":
            known = ServeConfig.model_fields if len(first["loc"]) == 1 else ()
            fix = nearest(str(first["loc"][-1]), known) if known else "take it out"
        raise RecipeError(first["msg"].lower(), where=f"{file or 'the command line'}, {place}", fix=fix) from None


def _toml(file: Path) -> dict[str, Any]:
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # pragma: no cover - Python 3.10
        import tomli as tomllib
    try:
        return dict(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"is no TOML: {error}", where=str(file)) from None
