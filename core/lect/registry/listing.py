"""The signature of a whole listing: which versions there are, which were withdrawn, what they score, and how new it is.

A component's own signature vouches for its files alone. Whoever can change a `registry.toml` could bring back an older
one, take a withdrawal away or better the listed scores; so the file itself is signed, as minisign does it, in
``registry.toml.minisig``. The trusted comment, which the signature covers, holds a counter that only grows.
``minisign -Vm registry.toml -P KEY`` checks the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.cache import cache_folder, data_folder
from lect.errors import RegistryError
from lect.files import write_aside
from lect.registry.format import FILE, SIGNATURE
from lect.registry.settings import KnownRegistry
from lect.registry.signing import is_signature_of, key_id, sign_bytes, trusted_comment
from lect.registry.sources import Offer, read_beside

if TYPE_CHECKING:
    from lect.registry.model import ComponentEntry

SEEN = "registries.seen.json"
"""How new the listings were that were seen."""
MAX_SIGNATURE_BYTES = 4096


def sign_listing(folder: Path, key: Path, password: str | None) -> int:
    """Sign a registry's listing as it is now; its counter. Raises `RegistryError` where the key is wrong.

    The counter is the time in seconds, or one more than the last, so that it grows also where the last is not there.
    """
    counter = max(int(time.time()), 1 + (_counter(_signature_in(folder)) or 0))
    signature = sign_bytes((folder / FILE).read_bytes(), _comment(counter), key, password)
    write_aside(folder / SIGNATURE, signature)
    return counter


def signs_listing(folder: Path, entry: ComponentEntry) -> bool:
    """Whether the key that signed a component is the one that signs its registry's listing, too.

    It is where it signed the last one; and where none is signed yet, and all that is listed is signed with it.
    """
    own = key_id((entry.signature or "").encode())
    if own is None:
        return False
    if (before := _signature_in(folder)) is not None:
        return key_id(before) == own
    from lect.registry.folder import read_folder_registry

    listed = read_folder_registry(folder).components
    return all(key_id((each.signature or "").encode()) == own for each in listed)


def is_signed(folder: Path) -> bool:
    """Whether a folder's listing was ever signed."""
    return _signature_in(folder) is not None


def listing_problem(folder: Path, key: str) -> str | None:
    """What is wrong with the signature of a folder's listing; None where nothing is, or where it was never signed."""
    signature = _signature_in(folder)
    if signature is None:
        return None
    if not is_signature_of((folder / FILE).read_bytes(), signature, key) or _counter(signature) is None:
        return "its listing is not signed with this key, or was changed since: lect registry sign KEY"
    return None


def check_listing(known: KnownRegistry, offer: Offer, *, offline: bool) -> None:
    """Refuse a listing that the registry's key did not sign, or that is older than one that was seen before.

    A registry whose listing was never signed is taken as it is.

    Raises:
        RegistryError: says what is wrong.
    """
    if known.key is None:
        return
    digest = hashlib.sha256(offer.content).hexdigest()
    where = f"registry {known.name}"
    seen = _seen().get(known.name)
    if not isinstance(seen, dict) or seen.get("key") != known.key:
        seen = None
    signature = _signature_kept(digest) if offline or (seen is not None and seen["sha256"] == digest) else None
    if signature is None or not is_signature_of(offer.content, signature, known.key):
        signature = read_beside(offer.source, SIGNATURE, MAX_SIGNATURE_BYTES, offline=offline)
    if signature is None:
        if seen is not None:
            raise RegistryError(
                "its listing was signed when it was last seen, and is not any more",
                where=where,
                fix="do not use it; tell whoever runs the registry",
            )
        return
    counter = _counter(signature)
    if counter is None or not is_signature_of(offer.content, signature, known.key):
        raise RegistryError(
            "its listing is not what the registry's key signed",
            where=where,
            fix="try again in a minute, as it may just be changing; else do not use it, and tell whoever runs it",
        )
    if seen is not None and (counter < seen["counter"] or (counter == seen["counter"] and digest != seen["sha256"])):
        raise RegistryError(
            f"it offers an older listing ({counter}) than the one that was seen before ({seen['counter']}): versions "
            "may be missing, and withdrawn ones be back",
            where=where,
            fix="do not use it; tell whoever runs the registry",
        )
    if seen is None or counter > seen["counter"]:
        _remember(known, counter, digest)
    if _signature_kept(digest) != signature:
        write_aside(_kept(digest), signature)


def forget(name: str) -> None:
    """Forget what was seen of a registry that the user takes away."""
    seen = _seen()
    if seen.pop(name, None) is not None:
        write_aside(data_folder() / SEEN, json.dumps(seen))


def _signature_kept(digest: str) -> bytes | None:
    """The signature that came with this very content before."""
    try:
        return _kept(digest).read_bytes()[:MAX_SIGNATURE_BYTES]
    except OSError:
        return None


def _signature_in(folder: Path) -> bytes | None:
    try:
        with (folder / SIGNATURE).open("rb") as stream:
            return stream.read(MAX_SIGNATURE_BYTES)
    except OSError:
        return None


def _kept(digest: str) -> Path:
    return cache_folder() / "registries" / f"{digest}.minisig"


def _comment(counter: int) -> str:
    return f"lect listing {counter}"


def _counter(signature: bytes | None) -> int | None:
    found = re.fullmatch(r"lect listing (\d{1,15})", trusted_comment(signature) if signature else "", re.ASCII)
    return int(found[1]) if found else None


def _seen() -> dict[str, Any]:
    try:
        values = json.loads((data_folder() / SEEN).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RegistryError(
            "cannot be read, and says how new the listings of registries were",
            where=str(data_folder() / SEEN),
            fix="remove it, if you trust what the registries offer now",
        ) from error
    return values if isinstance(values, dict) else {}


def _remember(known: KnownRegistry, counter: int, digest: str) -> None:
    values = {**_seen(), known.name: {"key": known.key, "counter": counter, "sha256": digest}}
    write_aside(data_folder() / SEEN, json.dumps(values))
