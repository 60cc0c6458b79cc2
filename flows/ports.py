"""Ports of this machine; nothing of ours listens to any other."""

import socket
from contextlib import suppress

from everfit.errors import Unavailable

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket that listens on that port, or on the next that is free; 0 means any."""
    for wanted in (*range(port, port + 20), 0) if port else (0,):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, wanted))
            listening.listen(128)
        except OSError:
            listening.close()
            continue
        return listening
    raise Unavailable(f"No port is free on {HOST}.", do="Close programs that hold many connections open.")


def answers(port: int) -> bool:
    """Say whether anybody takes a connection there."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
