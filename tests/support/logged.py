"""What the library has said through its logger."""

from __future__ import annotations


def logged(caplog) -> str:
    """The warnings since this was last asked, as commands print them."""
    told = "".join(f"warning: {message}\n" for message in caplog.messages)
    caplog.clear()
    return told
