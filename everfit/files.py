"""Write files that a reader finds whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from everfit.errors import InputError, Unavailable, first_line, is_full


@contextmanager
def replacing(path: Path, half: Path | None = None) -> Iterator[Path]:
    """Yield a name of its own beside `path` to write to; it takes the place of `path` when the block ends well.

    Nothing is left of it otherwise, unless the process is killed; a `half` that is named is then the next one's. Raise
    InputError when the folder cannot be made or written, and Unavailable when there is no room.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new" / "page.txt"
    >>> with replacing(path) as half:
    ...     _ = half.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    half = half or path.with_name(f".{uuid.uuid4().hex}.half")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield half
            half.replace(path)
    finally:
        with suppress(OSError):
            half.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what may go wrong while something is written to a path into one clear error."""
    try:
        yield
    except OSError as cause:
        raise (Unavailable if is_full(cause) else InputError)(
            f"{path} cannot be written: {cause.strerror or first_line(cause)}.",
            do="Make room there, or give a path that can be written.",
        ) from cause
