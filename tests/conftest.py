"""What many tests share."""

from everfit.threads import use_one_thread

use_one_thread()  # before anything imports numpy

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    postgres.require()
    with postgres.server() as url:
        yield url
