"""Find files by path, folder, glob or URI, here or in an object store, and open them as streams."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs
from fsspec.utils import glob_translate

from everfit.errors import EverfitError, NoFiles, NotThere, SourceError, Unavailable, did_you_mean, first_line
from everfit.references import resolve

URI = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
WILD = re.compile(r"[*?\[]")
SETTLED = 600 * 10**9  # clocks of storages are coarse, and differ from ours
DISGUISES = {
    b"\x1f\x8b": ("is compressed with gzip", "Let its name end in .gz."),
    b"PK\x03\x04": ("is a ZIP archive or an Excel workbook", "Save it as CSV or Parquet."),
    b"PAR1": ("is a Parquet file", "Let its name end in .parquet."),
    b"\xff\xfe": ("is UTF-16 text", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv"),
    b"\xfe\xff": ("is UTF-16 text", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv"),
}


@dataclass(frozen=True)
class Place:
    """One file: where it is, and the name that people see."""

    system: Any
    path: str
    origin: str

    @property
    def name(self) -> str:
        """The file's name without folders, in lower case and without .gz, as its ending says what it holds."""
        return self.path.rsplit("/", 1)[-1].lower().removesuffix(".gz")

    def stamp(self) -> str:
        """Tell this version of the file from every other; empty when that cannot be told, or not yet.

        One that was just written may be written again within the same tick of its storage's clock.
        """
        with self.reading():
            info = self.system.get_file_info(self.path)
            told = [info.mtime_ns, info.size]
            if isinstance(self.system, pafs.LocalFileSystem):
                here = Path(self.path).stat()  # a copy may keep its time of modification, never this of its change
                told = [max(here.st_ctime_ns, here.st_mtime_ns), here.st_mtime_ns, here.st_size, here.st_ino]
        settled = told[0] is not None and time.time_ns() - told[0] > SETTLED
        return " ".join(map(str, told)) if settled else ""

    def stream(self) -> pa.NativeFile:
        """Open it for reading from front to back, unpacked."""
        packed = "gzip" if self.path.lower().endswith(".gz") else None
        return self.system.open_input_stream(self.path, compression=packed)

    def is_empty(self) -> bool:
        """Whether it has no byte in it."""
        return bool(self.system.get_file_info(self.path).size == 0)

    def random_access(self) -> pa.NativeFile:
        """Open it for reading anywhere in it."""
        return self.system.open_input_file(self.path)

    @contextmanager
    def lines(self) -> Iterator[Iterator[bytes]]:
        """Open it as lines."""
        with self.stream() as stream:
            yield io.BufferedReader(stream, 1 << 20)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what may go wrong while reading into one clear error."""
        try:
            yield
        except EverfitError:
            raise
        except OSError as cause:
            raise _failed(self.system, self.origin, cause) from cause


def disguise(head: bytes) -> tuple[str, str] | None:
    """Return what a file that should be text really is, by its first bytes, and what to do about it."""
    return next((told for magic, told in DISGUISES.items() if head.startswith(magic)), None)


def find(where: str, base: Path, endings: tuple[str, ...]) -> list[Place]:
    """Return every file that a path, folder, glob or URI names, sorted; raise SourceError when there is none."""
    system, path = _system(where, base)
    shown = _shown(where, path, base)
    try:
        info = system.get_file_info(path)
        if info.type == pafs.FileType.NotFound and WILD.search(path):
            return _matching(system, path, where, base, endings)
        if info.type == pafs.FileType.Directory:
            return _inside(system, path, where, base, endings)
        if info.type == pafs.FileType.File:
            return [Place(system, path, shown)]
    except OSError as cause:
        raise _failed(system, shown, cause) from cause
    raise _missing(shown, _nearby(system, path, endings))


def find_table(where: str, base: Path) -> Place | None:
    """Return the folder that a path or URI names if it is a Delta table, whose log says which of its files count."""
    if WILD.search(where):
        return None
    system, path = _system(where, base)
    try:
        log = system.get_file_info(f"{path.rstrip('/')}/_delta_log")
    except OSError:
        return None  # `find` says what is wrong
    return Place(system, path, _shown(where, path, base)) if log.type == pafs.FileType.Directory else None


def covers(where: str, base: Path, address: str) -> bool:
    """Whether a path, folder, glob or URI would read the file or table of an address, now or once it is there."""
    try:
        given, address = address_of(resolve(where) if "://" in where else where, base), address_of(address, base)
    except SourceError:  # what it refers to is not known here, so nothing is read from it here
        return False
    file = address if PurePath(address).suffix else f"{address}/part.parquet"
    if WILD.search(given):
        return bool(re.fullmatch(glob_translate(given), file)) and not _hidden(file.removeprefix(_split(given)[0]))
    inside = file.startswith(f"{given}/") and not Path(given).is_file()
    return given == address or (inside and not _hidden(file.removeprefix(given)))


def address_of(where: str, base: Path) -> str:
    """Return the one name of a place, however it is written: its path without links and dots, or its URI."""
    scheme, _, rest = where.rpartition("://")
    if scheme and scheme.lower() != "file":
        return _without_secrets(where).rstrip("/")
    return Path(os.path.realpath(base / Path(unquote(rest) if scheme else where).expanduser())).as_posix()


def _system(where: str, base: Path) -> tuple[Any, str]:
    """Return the filesystem and the path in it; pyarrow's own where it has one, fsspec's for the rest."""
    if not URI.match(where):
        return pafs.LocalFileSystem(), (base / Path(where).expanduser()).absolute().as_posix()
    try:
        if WILD.search(where):
            fixed, rest = _split(where)
            system, root = pafs.FileSystem.from_uri(fixed)
            return system, f"{root.rstrip('/')}/{rest}"
        system, path = pafs.FileSystem.from_uri(where)
    except (pa.ArrowException, NotImplementedError):
        return _through_fsspec(where)
    except OSError as cause:
        raise Unavailable.at("The storage", _without_secrets(where), cause) from cause
    return system, path


def _through_fsspec(where: str) -> tuple[Any, str]:
    try:
        system, path = fsspec.core.url_to_fs(where)
    except (ImportError, ValueError) as cause:
        what = f"{_without_secrets(where)} cannot be opened: {first_line(cause)}"
        raise SourceError(what, do="Use file://, s3:// or gs://, or install what it asks for.") from cause
    return pafs.PyFileSystem(pafs.FSSpecHandler(system)), path


def _split(where: str) -> tuple[str, str]:
    """Split a glob before its first part with a wildcard."""
    parts = where.split("/")
    first = next(n for n, part in enumerate(parts) if WILD.search(part))
    return "/".join(parts[:first]), "/".join(parts[first:])


def _matching(system: Any, path: str, where: str, base: Path, endings: tuple[str, ...]) -> list[Place]:
    root, _ = _split(path)
    if isinstance(system, pafs.LocalFileSystem):  # an object store has no folder before its first file
        _require_folder(system, root, where, base)
    pattern = re.compile(glob_translate(path))
    selector = pafs.FileSelector(root or "/", allow_not_found=True, recursive=True)
    infos = [info for info in system.get_file_info(selector) if info.is_file and pattern.match(info.path)]
    found = [info.path for info in infos if not _hidden(info.path.removeprefix(root))]
    return _readable(system, found, where, base, endings, f"{_without_secrets(where)} matches no file")


def _require_folder(system: Any, root: str, where: str, base: Path) -> None:
    """Raise SourceError for the first folder on the way to a glob that does not exist."""
    for folder in (*reversed(Path(root).parents), Path(root)):
        if not folder.exists():
            raise _missing(_shown(where, folder.as_posix(), base), _nearby(system, folder.as_posix()))


def _missing(shown: str, nearby: str) -> NotThere:
    return NotThere(f"{shown} does not exist.{nearby}", do="Correct the path; it starts at the workspace.")


def _inside(system: Any, path: str, where: str, base: Path, endings: tuple[str, ...]) -> list[Place]:
    infos = system.get_file_info(pafs.FileSelector(path, recursive=True))
    found = [info.path for info in infos if info.is_file and not _hidden(info.path.removeprefix(path))]
    return _readable(system, found, where, base, endings, f"The folder {_without_secrets(where)} holds no file")


def _readable(
    system: Any, found: list[str], where: str, base: Path, endings: tuple[str, ...], none: str
) -> list[Place]:
    known = f"These can be read: {', '.join(endings)}."
    if not found:
        raise NoFiles(f"{none}.", do=known)
    places = [Place(system, path, _shown(where, path, base)) for path in sorted(found)]
    readable = [place for place in places if place.name.endswith(endings)]
    if not readable:
        raise NoFiles(f"{none} that can be read. There are {len(found)} others.", do=known)
    return readable


def _hidden(path: str) -> bool:
    return any(part.startswith((".", "_")) for part in path.split("/"))


def _shown(where: str, path: str, base: Path) -> str:
    """Name a file for people: relative to the workspace where it lies in it, and never with a secret."""
    if URI.match(where):
        scheme = where.split("://", 1)[0]
        return f"{scheme}://{path}" if WILD.search(where) or not where.endswith(path) else _without_secrets(where)
    inside = Path(path).is_relative_to(base.absolute())
    return Path(path).relative_to(base.absolute()).as_posix() if inside else path


def _without_secrets(where: str) -> str:
    """Leave out user, password and query of a URI."""
    if not URI.match(where):
        return where
    parts = urlsplit(where)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))


def _nearby(system: Any, path: str, endings: tuple[str, ...] = ()) -> str:
    """Say which file near the missing one may have been meant, or which folder where no endings are given."""
    folder, _, name = path.rpartition("/")
    try:
        infos = system.get_file_info(pafs.FileSelector(folder or "/", allow_not_found=True))
    except OSError:
        return ""
    if endings:
        infos = [info for info in infos if info.base_name.lower().removesuffix(".gz").endswith(endings)]
    else:
        infos = [info for info in infos if info.type == pafs.FileType.Directory]
    return did_you_mean(name, [info.base_name for info in infos if not _hidden(info.base_name)])


def _failed(system: Any, shown: str, cause: OSError) -> EverfitError:
    if isinstance(system, pafs.LocalFileSystem):
        do = "It may be cut short, or not be compressed at all." if "inflate" in str(cause) else ""
        return SourceError(f"{shown} cannot be read: {cause.strerror or first_line(cause)}.", do=do)
    if isinstance(cause, FileNotFoundError):
        return SourceError(f"{shown} does not exist.")
    return Unavailable.at("The storage of the data", shown, cause)
