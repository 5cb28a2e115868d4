"""Which code a reference such as ``my_package.nets:build`` means: its release and its files. Imports none of it."""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

MISSING: Final = "missing"


def package_of(reference: str) -> str:
    """Return the outermost package or module of a reference."""
    return reference.partition(":")[0].partition(".")[0]


def code_of(package: str) -> str:
    """Return the release of a package, where it has one, and a hash of its Python files; "missing" where it is not."""
    files = list(_files(package))
    if not files:
        return MISSING
    return f"{_release(package)}the code {digest(files)[:10]}"


def digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 of what the files contain, in hexadecimal."""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()


def _files(package: str) -> Iterator[Path]:
    """Yield the Python files of a package, or that of a module; none where it is missing or no Python."""
    found = find_spec(package)
    if found is None:
        return
    for folder in found.submodule_search_locations or ():
        yield from sorted(Path(folder).rglob("*.py"))
    if not found.submodule_search_locations and found.has_location and found.origin is not None:
        yield Path(found.origin)


def _release(package: str) -> str:
    try:
        return f"{version(package)} with "
    except PackageNotFoundError:
        return ""
