"""Pip, in the environment that `lect` runs in: what it would change is looked at first, then just that is done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lect.errors import PluginError
from lect.installed import installed_version
from lect.registry.plugins import Requirement, normal_name

CORE = ("lect", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pluggy", "pydantic")
"""What everything else stands on: a plugin never changes these unasked."""


@dataclass(frozen=True)
class Change:
    """A distribution that would be installed.

    Args:
        before: the version that is there; None where there is none.
        requirement: as pip takes it, and gives the very same.
        sha256: of the file that it comes in; None for a folder or a git URL, whose commit the requirement names.
    """

    name: str
    before: str | None
    after: str
    requirement: str
    sha256: str | None = None


def preview(requirements: Sequence[Requirement], *, upgrade: bool = False, wheels: Path | None = None) -> list[Change]:
    """What installing would change, found out without changing anything.

    Args:
        wheels: a folder that pip looks in beside its index.

    Raises:
        PluginError: pip cannot find, build or reconcile it; it would change what everything stands on; or a file is not
            the one that its registry lists.
    """
    for requirement in requirements:
        _check_file(requirement)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _pip(
            ["install", "--dry-run", "--report", str(report), *_arguments(requirements, upgrade, Path(folder))], wheels
        )
        items = json.loads(report.read_text("utf-8")).get("install", [])
    changes = [_change(item) for item in items]
    for change in changes:
        if normal_name(change.name) in CORE and change.before is not None and change.before != change.after:
            raise PluginError(
                f"it would change {change.name} {change.before}, on which everything else stands, to {change.after}",
                fix="choose another version of the plugin, or make a new environment for it",
            )
        for requirement in requirements:
            _check_change(requirement, change)
    return changes


def install(changes: Sequence[Change], *, wheels: Path | None = None) -> None:
    """Install what `preview` found, and nothing else: files by their SHA-256 (pip's ``--require-hashes``).

    Args:
        wheels: as `preview` has it.

    Raises:
        PluginError: pip cannot, with its own last words; or a file is no longer the one that was looked at.
    """
    hashed = [f"{change.requirement} --hash=sha256:{change.sha256}" for change in changes if change.sha256]
    others = [change.requirement for change in changes if not change.sha256]
    with tempfile.TemporaryDirectory() as folder:
        for number, (lines, options) in enumerate(((hashed, ["--require-hashes"]), (others, []))):
            if lines:
                file = Path(folder) / f"{number}.txt"
                file.write_text("\n".join(lines) + "\n", encoding="utf-8")
                # What they need is among the changes, or there already.
                _pip(["install", "--no-deps", *options, "--requirement", str(file)], wheels)


def uninstall(distributions: Sequence[str]) -> None:
    """Take distributions out of the environment. Raises `PluginError`."""
    _pip(["uninstall", "--yes", *distributions])


def _change(item: Mapping[str, Any]) -> Change:
    """A change, of an entry of pip's installation report (https://pip.pypa.io/en/stable/reference/installation-report)."""
    name, version = str(item["metadata"]["name"]), str(item["metadata"]["version"])
    source = item.get("download_info", {})
    url, archive, cloned = str(source.get("url", "")), source.get("archive_info"), source.get("vcs_info")
    sha256 = (archive or {}).get("hashes", {}).get("sha256")
    if not item.get("is_direct"):
        requirement = f"{name}=={version}"
    elif cloned:
        inside = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
        requirement = f"{name} @ {cloned['vcs']}+{url}@{cloned['commit_id']}{inside}"
    else:
        requirement = f"{name} @ {url}"
    return Change(name, installed_version(name), version, requirement, sha256)


def _arguments(requirements: Sequence[Requirement], upgrade: bool, folder: Path) -> list[str]:
    """Pip's arguments, with the present versions of what everything stands on as constraints."""
    pinned = [f"{name}=={version}" for name in CORE[1:] if (version := installed_version(name))]
    constraints = folder / "constraints.txt"
    # Local versions (2.5+cpu) are left out of the comparison, as no index has them.
    constraints.write_text("\n".join(line.partition("+")[0] for line in pinned), encoding="utf-8")
    return [
        *("--constraint", str(constraints)),
        *(["--upgrade"] if upgrade else []),
        *(option for requirement in requirements for option in _trusted(requirement)),
        *(requirement.argument for requirement in requirements),
    ]


def _trusted(requirement: Requirement) -> Iterator[str]:
    # The hash is a wheel's. Anything else would be built, which runs its code, before its hash is known.
    if requirement.sha256 and requirement.entry is not None:
        yield f"--only-binary={requirement.entry.distribution}"


def _check_file(requirement: Requirement) -> None:
    from lect.files import hash_of

    path = Path(requirement.argument)
    if requirement.sha256 and path.is_file() and (found := hash_of(path)) != requirement.sha256:
        _refuse(str(path), found, requirement.sha256)


def _check_change(requirement: Requirement, change: Change) -> None:
    entry = requirement.entry
    if entry is None or not requirement.sha256 or normal_name(entry.distribution) != normal_name(change.name):
        return
    if change.sha256 is None:
        raise PluginError(
            "its registry lists a SHA-256, and it comes in no file that has one",
            where=f"{entry.distribution} {entry.version}",
            fix="tell whoever runs the registry",
        )
    if change.sha256 != requirement.sha256:
        _refuse(f"{entry.distribution} {entry.version}", change.sha256, requirement.sha256)


def _refuse(where: str, found: str, listed: str) -> NoReturn:
    raise PluginError(
        f"is not the file that the registry lists: its SHA-256 is {found}, and should be {listed}",
        where=where,
        fix="tell whoever runs the registry",
    )


def _pip(arguments: Sequence[str], wheels: Path | None = None) -> None:
    looked_in = ["--find-links", str(wheels.absolute())] if wheels else []
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, *looked_in]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR:")] or said[-1:]
    if any("No module named pip" in line for line in said):
        raise PluginError("this environment has no pip", fix=f"{sys.executable} -m ensurepip")
    raise PluginError(
        " / ".join(re.sub(r"://[^/@\s]+@", "://", line) for line in errors[:3]) or "pip failed",
        where="pip",
        fix="see above, or run pip yourself",
    )
