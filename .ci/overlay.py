"""Make a virtual environment that sees the packages of another one, but for some.

    python .ci/overlay.py FROM TO [PACKAGE ...]

FROM and TO are folders of virtual environments. What is left out may be installed in TO in another version; the rest,
torch above all, is neither fetched nor unpacked again, and pip never changes it, since it lies outside of TO's own
packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def overlay(source: Path, target: Path, left_out: set[str]) -> None:
    """Make the environment.

    Args:
        left_out: names of modules and distributions.
    """
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    (packages,) = source.resolve().glob("lib/python*/site-packages")
    (own,) = target.resolve().glob("lib/python*/site-packages")
    seen = target.resolve() / "seen"
    seen.mkdir()
    for path in packages.iterdir():
        if _name(path) not in left_out:
            (seen / path.name).symlink_to(path)
    # Behind TO's own packages, with the files in it that name the folders of editable installations.
    (own / "seen.pth").write_text(f"import site; site.addsitedir({str(seen)!r})\n", encoding="utf-8")


def _name(path: Path) -> str:
    """The module or distribution that a file or folder among the packages belongs to."""
    stem = path.name.removeprefix("_editable_impl_").removesuffix(".pth").removesuffix(".py")
    return re.split(r"-\d", stem)[0].replace("-", "_").lower()


if __name__ == "__main__":
    overlay(Path(sys.argv[1]), Path(sys.argv[2]), {name.replace("-", "_").lower() for name in sys.argv[3:]})
