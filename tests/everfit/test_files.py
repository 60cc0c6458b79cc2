"""A file is replaced whole, or what was there stays."""

import errno
import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from everfit.errors import InputError, Unavailable
from everfit.files import replacing


def write(path: Path, text: str) -> None:
    with replacing(path) as half:
        half.write_text(text)


def test_what_breaks_half_way_leaves_what_was_there_and_nothing_else(tmp_path):
    write(tmp_path / "page.txt", "old")

    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "page.txt") as half:
        half.write_text(f"ne{1 / half.write_text('')}")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_two_who_write_at_once_do_not_mix(tmp_path):
    barrier = Barrier(2)

    def both(text: str) -> None:
        with replacing(tmp_path / "page.txt") as half:
            half.write_text(text * 1000)
            barrier.wait()

    threads = [Thread(target=both, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_text() for path in tmp_path.iterdir()] in (["a" * 1000], ["b" * 1000])


@pytest.mark.parametrize("place", ["taken/page.txt", "folder"])
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path, place):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "folder/full").mkdir(parents=True)
    with pytest.raises(InputError, match=f"{place} cannot be written: "):
        write(tmp_path / place, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "taken"]


def test_a_full_disk_is_something_that_may_heal(tmp_path):
    with pytest.raises(Unavailable, match="No space left"), replacing(tmp_path / "page.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(Unavailable, match="quota"), replacing(tmp_path / "page.txt"):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
