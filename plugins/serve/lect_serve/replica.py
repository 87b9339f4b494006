"""The application as one of several that answer the same requests, which a front takes in (`lect serve --on`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import Host, Library, UserError
from lect_serve.access import Access, Client
from lect_serve.settings import ServeConfig

if TYPE_CHECKING:
    from lect_serve.service import Service

ADMIN = "Bearer admin"
"""The header of a request whose client may change what is served."""


@dataclass(frozen=True)
class OpenReplica:
    """Makes a replica, wherever it is called.

    Args:
        folder: relative paths start there.
    """

    config: ServeConfig
    library: tuple[Path, ...]
    folder: Path

    def __call__(self) -> Replica:
        """The replica, which is not started yet. Raises `UserError`."""
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise UserError(
                f"the folder is not there ({(error.strerror or str(error)).lower()})",
                where=str(self.folder),
                fix="every machine of a cluster has to see the same folders",
            ) from error
        from lect_serve.service import Service

        # Whose request it is, and how much of it is let through, is the front's business.
        config = self.config.model_copy(update={"keys": (), "cors_origins": (), "host": "127.0.0.1", "hosts": ()})
        return Replica(Service(config, Host.load(), Library(self.library), Fronted()))


class Replica:
    """A service and its application, as `lect.Application`."""

    def __init__(self, service: Service) -> None:
        from lect_serve.app import make_app
        from lect_serve.running import freeze_what_is_loaded

        service.on_ready = freeze_what_is_loaded
        self._service, self._app = service, make_app(service)

    async def start(self) -> None:
        """Load the model. Raises `UserError`."""
        await self._service.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request of the front."""
        await self._app(scope, receive, send)


class Fronted(Access):
    """Clients as a front names them: nobody else reaches a replica."""

    def __init__(self) -> None:
        super().__init__(())

    def client(self, authorization: str | None, address: str) -> Client:
        """Whose request it is."""
        return Client(address, authorization == ADMIN)
