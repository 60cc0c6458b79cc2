"""Where this machine finds the files of a version, without asking MLflow each time.

A small file in the home says the folder and the digests as they were when the version was registered; the folder by its
way from the home, which may be copied or moved. When it is not there (another machine registered the version), or says
an absolute folder (as it once did, so that a copy would read the original's files), MLflow is asked once.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from everfit.files import replacing
from everfit.registry.records import Version
from everfit.settings import Settings


def place(settings: Settings, model: str, version: int) -> Path:
    """Return the file that remembers a version."""
    return settings.home / "versions" / model / f"{version}.json"


def remember(settings: Settings, version: Version) -> None:
    """Write where a version is; whole or not at all."""
    settings.folder("versions", version.model)
    version = replace(version, folder=os.path.relpath(version.folder, settings.home))
    with replacing(place(settings, version.model, version.number)) as half:
        half.write_text(json.dumps(version.to_dict()), encoding="utf-8")


def recall(settings: Settings, model: str, version: int) -> Version | None:
    """Return what was remembered, if it is still true that the folder is there."""
    try:
        said = Version(**json.loads(place(settings, model, version).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if Path(said.folder).is_absolute():
        return None
    known = replace(said, folder=os.path.normpath(settings.home / said.folder))
    return known if Path(known.folder).is_dir() else None
