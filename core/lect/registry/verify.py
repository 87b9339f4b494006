"""Whether a component's files are what they were when it was pulled, and sound in themselves."""

from __future__ import annotations

from pathlib import Path

from lect.errors import UserError
from lect.files import hash_of
from lect.registry.record import read_record
from lect.storage.store import TOKENIZER, WEIGHTS, read_folder_manifest
from lect.weight_files import check_weights


def problems_of(folder: Path) -> list[str]:
    """What is wrong with a component, a line each; nothing where all is well."""
    problems = list[str]()
    try:
        record = read_record(folder)
        for file in record.files if record else ():
            path = folder / file.path
            if not path.is_file():
                problems.append(f"{path}: is missing")
            elif (size := path.stat().st_size) != file.size:
                problems.append(f"{path}: has {size:,} bytes instead of {file.size:,}")
            elif (found := hash_of(path)) != file.sha256:
                problems.append(f"{path}: was changed (SHA-256 {found}, and {file.sha256} was pulled)")
        manifest = read_folder_manifest(folder)
        check_weights(folder / WEIGHTS)
        if manifest.own_tokenizer and not (folder / TOKENIZER).is_file():
            problems.append(f"{folder}: there is no {TOKENIZER} in it")
    except UserError as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{error.filename or folder}: {(error.strerror or str(error)).lower()}")
    return problems
