"""The host with all that is installed here, loaded once for the contracts of a whole run of pytest."""

from __future__ import annotations

from functools import cache

from lect.host import Host


@cache
def installed_host() -> Host:
    """The host; what is broken is reported on standard error."""
    return Host.load()
