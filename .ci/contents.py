"""Whether the wheels in a folder hold what the repository holds, and nothing else: contents.py REPOSITORY FOLDER."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def main(repository: Path, folder: Path) -> int:
    """The exit status: 1 where a distribution is missing, or holds too little or too much."""
    tracked = subprocess.run(
        ["git", "-C", str(repository), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    projects = {"lect": "core/"} | {
        path.parts[1]: f"plugins/{path.parts[1]}/"
        for path in map(Path, tracked)
        if path.match("plugins/*/pyproject.toml")
    }
    wrong = 0
    for name, root in projects.items():
        stem = "lect" if name == "lect" else f"lect_{name}"
        wheels = list(folder.glob(f"{stem}-[0-9]*.whl"))
        if len(wheels) != 1 or not list(folder.glob(f"{stem}-[0-9]*.tar.gz")):
            print(f"{name}: {len(wheels)} wheels, or no source distribution")
            wrong += 1
            continue
        with zipfile.ZipFile(wheels[0]) as wheel:
            held = {file for file in wheel.namelist() if ".dist-info/" not in file}
        package = f"{root}{stem}/"
        wanted = {path.removeprefix(root) for path in tracked if path.startswith(package)}
        if name == "lect":
            wanted |= set(packed(tracked))
        for what, files in (("lacks", wanted - held), ("should not have", held - wanted)):
            for file in sorted(files):
                print(f"{wheels[0].name} {what} {file}")
                wrong += 1
    print(f"{len(projects)} distributions: " + (f"{wrong} things are wrong" if wrong else "all is there"))
    return 1 if wrong else 0


def packed(tracked: list[str]) -> list[str]:
    """What the wheel of `lect` has beside its package, by the path there."""
    bundled = "lect/registry/bundled/"
    found = [f"{bundled}registry.toml"]
    for path in map(Path, tracked):
        if path.match("examples/*/*.toml") and path.parts[1] not in ("plugin", "notebooks"):
            found.append(bundled + path.as_posix())
        if path.match("plugins/*/pyproject.toml"):
            found.append(f"lect/host/plugins/{path.parts[1]}.toml")
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
