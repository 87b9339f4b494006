"""A new plugin from the template that comes with `lect`."""

from __future__ import annotations

import re
from pathlib import Path

from lect.errors import UserError

TEMPLATE = Path(__file__).parents[1] / "templates" / "plugin"


def new_plugin(name: str, folder: Path, *, author: str = "") -> Path:
    """Write a working plugin with a method, its tests and its packaging.

    Returns:
        The folder.

    Raises:
        UserError: the name cannot be a plugin's, something lies in the folder, or copier is not installed.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(f'"{name}" cannot be a plugin\'s name', fix="take small letters, digits and single hyphens")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("something lies there already", where=str(folder), fix="name another --to")
    try:
        from copier import run_copy
    except ImportError as error:
        raise UserError("templates need the library copier", fix="pip install 'lect[template]'") from error
    run_copy(str(TEMPLATE), folder, data={"name": name, "author": author}, defaults=True, quiet=True)
    return folder
