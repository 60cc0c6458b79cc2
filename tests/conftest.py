"""What many tests share."""

import os

# Two OpenMP threads on a busy two-core machine make a fit ten times slower; read at the first import of numpy.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    postgres.require()
    with postgres.server() as url:
        yield url
