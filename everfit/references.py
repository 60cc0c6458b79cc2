"""Addresses that may refer to the environment as ${NAME}, so that no model file needs to hold a secret."""

import os
import re
from urllib.parse import quote, unquote

from dotenv import dotenv_values

from everfit.errors import SourceError

REFERENCE = re.compile(r"\$\{(\w+)\}")
PASSWORD = re.compile(r"^\s*[\w+.-]+://[^:/?#@]*:(?!\d{1,5}[/?#])([^@]*)@")  # host:8080/a@b has a port, no password
PARAMETER = re.compile(r"[?&;]\s*([\w.-]+)\s*=([^&;#]*)")
SECRET = re.compile(r"passw|passphrase|pwd|secret|token|credential|signature|^sig$|(api|account)[_-]?key", re.I)
INSTEAD = "write ${NAME} in its place and put the secret into the environment or .env"


def secret_in(address: str) -> str:
    """Name the secret that an address spells out, without repeating it; empty when there is none.

    >>> secret_in("postgresql://me:hunter2@${HOST}/db"), secret_in("s3://key:${SECRET}@bucket/x.csv")
    ('a password', '')
    >>> secret_in("postgresql://me@host/db?password=hunter2")
    "the parameter 'password'"
    """
    found = PASSWORD.match(address)
    if found and _is_literal(found[1]):
        return "a password"
    named = [name for name, value in PARAMETER.findall(unquote(address)) if SECRET.search(name) and _is_literal(value)]
    return f"the parameter '{named[0]}'" if named else ""


def refuse_secret(address: str) -> None:
    """Raise SourceError when an address spells out a secret."""
    if secret := secret_in(address):
        raise SourceError(
            f"The address holds {secret}, spelt out.",
            why="Model files and the records of runs are read by many and kept for ever.",
            do=f"{INSTEAD[0].upper()}{INSTEAD[1:]}.",
        )


def resolve(written: str) -> str:
    """Fill in what an address refers to; raise SourceError when neither the environment nor `.env` has it.

    `.env` is the current folder's, as for the settings, and its values are taken as they are written. A password
    that stands alone between : and @ may hold any character.
    """
    told = dotenv_values(".env", interpolate=False)
    known = {name: value for name, value in told.items() if value is not None} | dict(os.environ)
    missing = [name for name in REFERENCE.findall(written) if name not in known]
    if missing:
        raise SourceError(
            f"The environment has no {missing[0]}, nor has .env.", do=f"Set it; the model file says: {written}."
        )
    quoted = re.sub(rf":{REFERENCE.pattern}@", lambda found: f":{quote(known[found[1]], safe='')}@", written)
    return REFERENCE.sub(lambda found: known[found[1]], quoted)


def _is_literal(value: str) -> bool:
    return bool(value.strip()) and not REFERENCE.fullmatch(value.strip())
