"""Write files that a reader finds whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from everfit.errors import InputError, Unavailable, first_line, is_full


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name of its own beside `path` to write to; it takes the place of `path` when the block ends well.

    Nothing is left of it otherwise. Raise InputError when the folder cannot be made or written, and
    Unavailable when there is no room.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "new" / "page.txt"
    >>> with replacing(path) as half:
    ...     _ = half.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    half = path.with_name(f".{uuid.uuid4().hex}.half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield half
        half.replace(path)
    except OSError as cause:
        raise (Unavailable if is_full(cause) else InputError)(
            f"{path} cannot be written: {cause.strerror or first_line(cause)}.",
            do="Make room there, or give a path that can be written.",
        ) from cause
    finally:
        with suppress(OSError):
            half.unlink()
