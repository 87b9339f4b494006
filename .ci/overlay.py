"""Make a virtual environment that has everything another one has, but for some packages.

    python .ci/overlay.py FROM TO [PACKAGE ...]

FROM and TO are folders of virtual environments; what is left out may then be installed in TO in another version,
while the rest, torch above all, is neither fetched nor unpacked again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def overlay(source: Path, target: Path, left_out: set[str]) -> None:
    """Link every package of one environment into a new one.

    Args:
        left_out: names of modules and distributions.
    """
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    (packages,) = source.glob("lib/python*/site-packages")
    (own,) = target.glob("lib/python*/site-packages")
    for path in packages.iterdir():
        if _name(path) not in left_out and not (own / path.name).exists():
            (own / path.name).symlink_to(path)


def _name(path: Path) -> str:
    """The module or distribution that a file or folder among the packages belongs to."""
    # An editable distribution's own file is called _editable_impl_lect_language.pth.
    stem = path.name.removeprefix("_editable_impl_").removesuffix(".pth").removesuffix(".py")
    return re.split(r"-\d", stem)[0].replace("-", "_").lower()


if __name__ == "__main__":
    overlay(Path(sys.argv[1]), Path(sys.argv[2]), {name.replace("-", "_").lower() for name in sys.argv[3:]})
