"""Who may ask: named tokens from the environment, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import ip_address

from everfit.errors import InputError

SHORTEST = 16  # characters: shorter ones can be guessed


def read_tokens(written: str) -> dict[str, bytes]:
    """Read `name:token` pairs, separated by commas; raise InputError for what is none, without showing it."""
    tokens: dict[str, bytes] = {}
    for at, part in enumerate(filter(None, (each.strip() for each in written.split(","))), start=1):
        name, colon, token = part.partition(":")
        if not colon or not name or len(token) < SHORTEST:
            raise InputError(
                f"EVERFIT_SERVE_TOKENS: entry {at} is no token.",
                do=f"Write name:token, of {SHORTEST} characters at least, and commas between entries.",
            )
        if name in tokens:  # one of two would be lost without a word
            raise InputError(
                f"EVERFIT_SERVE_TOKENS: entry {at} has the name of another one.",
                do="Give each token a name of its own, such as ann-2026 beside ann while a token is being replaced.",
            )
        tokens[name] = token.encode()
    return tokens


def ensure_guarded(host: str, tokens: Mapping[str, bytes], *, open_to_all: bool) -> None:
    """Raise InputError when other machines could ask without a token, and nobody has said that they may."""
    if tokens or open_to_all or _stays_here(host):
        return
    raise InputError(
        f"{host} is reached from other machines, and everybody there could ask: there are no tokens.",
        do="Set EVERFIT_SERVE_TOKENS, or EVERFIT_SERVE_OPEN=true where something else says who may ask.",
    )


def _stays_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def holder_of(header: str, tokens: Mapping[str, bytes]) -> str:
    """Return the name of the token in an Authorization header; empty when it is none of them.

    The digests of all are compared, whichever fits, so that the time taken tells nothing, not even a length.
    """
    kind, _, given = header.partition(" ")
    said, found = sha256(given.strip().encode("latin-1")).digest(), ""
    for name, token in tokens.items():
        if hmac.compare_digest(said, sha256(token).digest()) and kind.lower() == "bearer":
            found = name
    return found
