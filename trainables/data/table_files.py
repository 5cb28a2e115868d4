"""Files of tables: Parquet, Arrow and, where it is asked for, CSV. Importing this does not import pyarrow or torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainables.data.source import required_root
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    import pyarrow as pa

CSV: Final = ".csv"
SUFFIXES: Final = (".parquet", ".arrow", ".feather")
_PARTS: Final = (("train",), ("validation", "val"), ("test",))


def files_of(spec: DataSpec, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path | None]:
    """Return the files of training, validation and test rows; None for those that are not there."""
    expected = f"must be a {', '.join(suffixes[:-1])} or {suffixes[-1]} file, or a folder with train{suffixes[0]}"
    root = Path(required_root(spec, expected.removeprefix("must be "))).expanduser()
    if root.is_file():
        if root.suffix not in suffixes:
            raise InvalidValue("root", spec.root, f"must end in {', '.join(suffixes)}")
        return [root, None, None]
    files = [_first_file(root, names, suffixes) for names in _PARTS]
    if files[0] is None:
        raise InvalidValue("root", spec.root, expected)
    return files


def _first_file(root: Path, names: tuple[str, ...], suffixes: tuple[str, ...]) -> Path | None:
    candidates = (root / f"{name}{suffix}" for name in names for suffix in suffixes)
    return next((file for file in candidates if file.is_file()), None)


def fingerprint(files: list[Path | None], spec: DataSpec) -> object:
    """Return the options, and paths, sizes and times of the files."""
    stats = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files if file is not None]
    return [sorted((key, str(value)) for key, value in spec.options.items()), stats]


def read(file: Path) -> "pa.Table":
    """Return a table; raises InvalidValue for a file that holds none."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if file.suffix == ".parquet":
            return parquet.read_table(file, memory_map=True)
        if file.suffix == CSV:
            return csv.read_csv(file)
        with pa.memory_map(str(file)) as mapped:
            try:
                return pa.ipc.open_file(mapped).read_all()
            except pa.ArrowInvalid:
                mapped.seek(0)
                return pa.ipc.open_stream(mapped).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidValue("root", str(file), f"cannot be read as a table ({reason})") from error
