"""Have a part in a search that another machine leads."""

from importlib.metadata import version

from everfit import search as engine
from everfit.errors import InputError
from everfit.lake import Snapshot
from everfit.search import studies
from everfit.search.hosts import Shared
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import prepared_of, read_rows
from tasks.given import given
from tasks.hosts import called
from tasks.steps import say


def along(search: str) -> int:
    """Read the same rows as the leader, and try what is to be tried until it ends; return how many trials that was.

    What the search is about is in its study, so a helper needs no model file.
    """
    settings = Settings()
    job = studies.job_of(settings.search_storage, search)
    if job is None:
        say(f"{search} is over")
        return 0
    engine.reach(settings.search_storage, job["files"])
    spec = ModelSpec.model_validate(job["spec"])
    snapshot = Snapshot(**job["snapshot"] | {"batches": tuple(job["snapshot"]["batches"])})
    rows = read_rows(spec, snapshot)
    prepared = prepared_of(spec, snapshot, rows)
    if search != called(spec, prepared):
        raise InputError(
            f"This machine would search something else than {search}.",
            why=f"It has everfit {version('everfit')}, or other versions of its packages, than the one that leads.",
            do="Install the same everywhere.",
        )
    shared = Shared(settings.search_storage, search, job["files"])
    say(f"working for {search} as {shared.host}")
    done = engine.along(
        **given(spec, prepared, rows.train),
        shared=shared,
        budget=job["budget"],
        start=[(family, params) for family, params in job["start"]],
        folder=settings.folder("search", spec.name),
    )
    say(f"{done} trials done for {search}")
    return done
