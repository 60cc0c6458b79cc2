import os

import numpy as np
import pytest

from everfit.errors import DataError
from everfit.search import memory

MACHINE = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n", "proc/self/cgroup": "0::/\n"}
STAT = "anon 1\ninactive_file 300000000\ntotal_inactive_file 400000000\n"


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({}, 8_192_000_000),
        ({"sys/fs/cgroup/memory.max": "max"}, 8_192_000_000),
        ({"sys/fs/cgroup/memory.max": "2000000000", "sys/fs/cgroup/memory.current": "1000000000"}, 1_300_000_000),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/7f\n0::/\n",  # which is not to be seen from within
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000000",
                "sys/fs/cgroup/memory/memory.stat": STAT,
            },
            1_400_000_000,
        ),
        (
            {
                "proc/self/cgroup": "0::/pod/main\n",
                "sys/fs/cgroup/pod/memory.max": "600000000",
                "sys/fs/cgroup/pod/memory.current": "500000000",
                "sys/fs/cgroup/pod/memory.stat": STAT,
                "sys/fs/cgroup/pod/main/memory.max": "max",
            },
            400_000_000,
        ),
    ],
)
def test_what_is_free_is_what_machine_and_container_have_left(tmp_path, more, left):
    for name, text in {**MACHINE, "sys/fs/cgroup/memory.stat": STAT, **more}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.available(tmp_path) == left


def test_a_machine_that_says_nothing_limits_nothing(tmp_path):
    assert memory.available(tmp_path) == float("inf")


def test_there_are_no_more_workers_than_memory_has_room_for():
    ours = memory.held([os.getpid()]) / 1e9
    share = memory.shared(ours + 1.1, 1e8, 64)
    assert share.workers == 2
    assert share.bytes == pytest.approx(0.5e9, rel=0.05)


def test_rows_that_do_not_fit_are_an_error_that_says_how_much_they_take():
    ours = memory.held([os.getpid()]) / 1e9
    with pytest.raises(DataError, match=r"search.max_memory_gb: they take 800 MB") as caught:
        memory.shared(ours + 1.0, 8e8, 2)
    assert "250 MB at least" in caught.value.why


def test_a_mapped_file_is_not_held_as_the_kernel_can_take_it_back(tmp_path):
    np.save(tmp_path / "matrix.npy", np.ones(5_000_000))
    before = memory.held([os.getpid()])
    mapped = np.load(tmp_path / "matrix.npy", mmap_mode="r")
    assert mapped.sum() == 5_000_000
    assert memory.held([os.getpid()]) - before < 20e6
    copied = np.array(mapped)
    assert memory.held([os.getpid()]) - before >= copied.nbytes * 0.9
