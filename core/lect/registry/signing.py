"""Signatures as minisign writes them, over a component's name, version and hashes (https://jedisct1.github.io/minisign).

Needs the extra ``sign``. ``minisign -Vm SHA256SUMS -P KEY`` checks the same signatures.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from lect.errors import RegistryError, UserError
from lect.registry.model import ComponentEntry, signed_text
from lect.registry.settings import KnownRegistry

MAX_KEY_BYTES = 4096


def check_signature(entry: ComponentEntry, registry: KnownRegistry) -> str | None:
    """The key that vouches for a component; None where its registry asks for none.

    Raises:
        RegistryError: the registry's key is known, and has not signed this component in this version.
    """
    if registry.key is None:
        return None
    if entry.signature is None:
        raise RegistryError(
            f"{entry.reference} is not signed, and this registry's key is known",
            where=f"registry {registry.name}",
            fix=f"tell whoever runs it; to do without: lect registry remove {registry.name}, and add it without --key",
        )
    if not is_signed_with(entry, registry.key):
        raise RegistryError(
            f"the signature of {entry.reference} is not that of the registry's key, or its files were exchanged",
            where=f"registry {registry.name}",
            fix="do not use it; tell whoever runs the registry",
        )
    return registry.key


def is_signed_with(entry: ComponentEntry, key: str) -> bool:
    """Whether a component's signature was made with this public key, over its name, version and hashes."""
    if entry.signature is None:
        return False
    return is_signature_of(signed_text(entry).encode(), entry.signature.encode("utf-8", "replace"), key)


def is_signature_of(content: bytes, signature: bytes, key: str) -> bool:
    """Whether a signature was made with this public key over this content, its trusted comment included."""
    minisign = _library()
    try:
        _public(key).verify(content, minisign.Signature.from_bytes(signature))
    except (minisign.Error, ValueError, IndexError, UnicodeError):
        return False
    return True


def key_id(signature: bytes) -> bytes | None:
    """The number of the key that a signature says it was made with; None where it is none."""
    try:
        return base64.b64decode(signature.splitlines()[1], validate=True)[2:10] or None
    except (IndexError, ValueError):
        return None


def trusted_comment(signature: bytes) -> str:
    """What a signature says of itself, to be believed only once it is checked; "" where it is none."""
    minisign = _library()
    try:
        return str(minisign.Signature.from_bytes(signature).trusted_comment)
    except (minisign.Error, ValueError, IndexError, UnicodeError):
        return ""


def check_key(key: str) -> str:
    """The public key in a text, or in a file that ``minisign -G`` wrote. Raises `RegistryError` for anything else."""
    path = Path(key).expanduser()
    try:
        if path.is_file():
            lines = path.read_text("utf-8")[:MAX_KEY_BYTES].splitlines()
            key = lines[-1].strip() if lines else ""
    except (OSError, UnicodeError):
        pass
    _public(key)
    return key


def sign(entry: ComponentEntry, key: Path, password: str | None) -> str:
    """The signature of a component with a secret key, as a text.

    Args:
        password: of the key; asked for by the caller where `is_encrypted` says so.

    Raises:
        RegistryError: the key cannot be read or the password is wrong.
    """
    return sign_bytes(signed_text(entry).encode(), f"lect {entry.reference}", key, password).decode()


def sign_bytes(content: bytes, comment: str, key: Path, password: str | None) -> bytes:
    """The signature of a content and of a comment with a secret key. Raises as `sign`."""
    minisign = _library()
    secret = _secret(key)
    try:
        if secret.is_encrypted():
            secret.decrypt(password or "")
        made = secret.sign(content, untrusted_comment="signature of a lect component", trusted_comment=comment)
    except (minisign.Error, ValueError) as error:
        raise RegistryError("the password is wrong, or the key is broken", where=str(key)) from error
    return bytes(made)


def check_secret(key: Path, password: str | None) -> None:
    """Refuse a key that cannot sign, before anything that it is to sign is written. Raises `RegistryError`."""
    sign_bytes(b"", "lect", key, password)


def is_encrypted(key: Path) -> bool:
    """Whether a secret key needs a password. Raises `RegistryError` where it cannot be read."""
    return bool(_secret(key).is_encrypted())


def new_key(file: Path) -> str:
    """Write a new secret key, which none but its owner can read; the public key.

    Raises:
        UserError: there is a file already, or it cannot be written.
    """
    minisign = _library()
    pair = minisign.KeyPair.generate()
    path = file.expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(bytes(pair.secret_key))
    except OSError as error:
        raise UserError(f"cannot be written ({(error.strerror or str(error)).lower()})", where=str(file)) from error
    return str(pair.public_key.to_base64().decode())


def _secret(key: Path) -> Any:
    minisign = _library()
    try:
        return minisign.SecretKey.from_bytes(key.expanduser().read_bytes()[:MAX_KEY_BYTES])
    except OSError as error:
        raise RegistryError(f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(key)) from None
    except (minisign.Error, ValueError, IndexError) as error:
        raise RegistryError(
            "is no secret key of minisign", where=str(key), fix="make one with: lect registry key FILE"
        ) from error


def _public(key: str) -> Any:
    minisign = _library()
    try:
        return minisign.PublicKey.from_base64(key)
    except (minisign.Error, ValueError, IndexError) as error:
        raise RegistryError(
            "is no public key of minisign", where=ascii(key[:80]), fix="it is the line that begins with RW"
        ) from error


def _library() -> Any:
    try:
        import minisign
    except ImportError as error:
        raise UserError("signatures need the library py-minisign", fix="pip install 'lect[sign]'") from error
    return minisign
