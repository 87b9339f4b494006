"""Who may ask, and how much: bearer keys by their hashes, read anew when their file changes."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lect import UserError
from lect_serve.refusals import ForbiddenError, RateError, UnauthorizedError
from lect_serve.settings import KeyConfig, read_settings

_LOG = logging.getLogger("lect.serve")
_RECHECKED = 1.0


@dataclass(frozen=True)
class Client:
    """Who asks.

    Args:
        name: of the key; of clients without one their address.
    """

    name: str
    is_admin: bool
    texts_per_minute: int | None = None


class Access:
    """The keys that are accepted.

    Args:
        file: that they are in, where it is looked at again; None where they never change.
    """

    def __init__(
        self, keys: tuple[KeyConfig, ...], file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._clock = file, clock
        self._keys = {key.sha256: key for key in keys}
        self._state = self._file_state()
        self._checked = clock()
        self._allowances: dict[str, tuple[float, float]] = {}

    @property
    def is_open(self) -> bool:
        """Whether no key is wanted."""
        return not self._keys

    def client(self, authorization: str | None, address: str) -> Client:
        """Whose request it is, by its header.

        Raises:
            UnauthorizedError: a key is wanted and there is none, or it is not known.
        """
        self._reread()
        scheme, _, secret = (authorization or "").partition(" ")
        found = None
        if scheme.lower() == "bearer" and secret.strip():
            # Looked up by its hash: how long that takes says nothing of the keys.
            found = self._keys.get(hashlib.sha256(secret.strip().encode("utf-8", "replace")).hexdigest())
        if found is not None:
            return Client(found.name, found.admin, found.texts_per_minute)
        if self._keys:
            raise UnauthorizedError("a key that is known is wanted", fix="send the header Authorization: Bearer <key>")
        return Client(address, False)

    def check_admin(self, client: Client) -> None:
        """Refuse a client that may not change what is served. Raises `ForbiddenError`."""
        if not client.is_admin:
            raise ForbiddenError("this takes a key with admin = true")

    def spend(self, client: Client, texts: int) -> None:
        """Count texts against what a client may send in a minute. Raises `RateError`."""
        limit = client.texts_per_minute
        if limit is None:
            return
        now = self._clock()
        left, since = self._allowances.get(client.name, (float(limit), now))
        left = min(float(limit), left + (now - since) * limit / 60)
        if texts > limit:
            raise RateError(f"{texts:,} texts are more than the {limit:,} that this key may send in a minute")
        if texts > left:
            raise RateError(
                f"this key may send {limit:,} texts a minute",
                fix="try again later",
                retry_after=(texts - left) * 60 / limit,
            )
        self._allowances[client.name] = (left - texts, now)

    def _reread(self) -> None:
        now = self._clock()
        if self._file is None or now - self._checked < _RECHECKED:
            return
        self._checked = now
        state = self._file_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = {key.sha256: key for key in read_settings(self._file, {}).keys}
        except UserError as error:
            # Half-written, or wrong: what held before goes on holding.
            _LOG.warning("keys are not read anew: %s", error)
        else:
            _LOG.info("keys are read anew: %d", len(self._keys))

    def _file_state(self) -> tuple[int, ...]:
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else ()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(header: str, allowed: Sequence[str]) -> None:
    """Refuse a request that is addressed to a name which is not this machine's own. Raises `ForbiddenError`.

    A page of elsewhere can let its own name point to this machine, and ask as if it came from here (DNS rebinding).
    """
    name = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() else header
    name = name.strip("[]").lower()
    if not (is_loopback(name) or name in allowed or "*" in allowed):
        raise ForbiddenError("the request is addressed to another host", fix="name it in the settings, as hosts")
