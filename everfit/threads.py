"""One thread per process: two OpenMP threads on a busy machine make a fit ten times slower.

numpy and what stands on it read these variables when they are first imported, so they are set before that.
"""

import os

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def use_one_thread() -> None:
    """Say so to this process and its children, unless somebody has said otherwise."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
