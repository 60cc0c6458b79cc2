"""Families that behave as badly as real ones sometimes do."""

import os
import signal
import subprocess
import time

from everfit.search.estimators import Family, Rows
from everfit.search.estimators.linear import Linear


class _Trouble(Linear):
    def fit(self, model, params, train: Rows, job, valid=None):
        self.cause()
        return super().fit(model, params, train, job, valid)

    def cause(self):
        raise NotImplementedError


class Raises(_Trouble):
    name = "raises"

    def cause(self):
        raise ZeroDivisionError("nothing to share")


class Exits(_Trouble):
    name = "exits"

    def cause(self):
        os._exit(7)


class Segfaults(_Trouble):
    name = "segfaults"

    def cause(self):
        os.kill(os.getpid(), signal.SIGSEGV)


class Devours(_Trouble):
    name = "devours"

    def cause(self):
        self.held = bytearray(10**15)


class Hangs(_Trouble):
    name = "hangs"

    def cause(self):
        time.sleep(600)


class Spawns(_Trouble):
    name = "spawns"

    def cause(self):
        subprocess.Popen(["sleep", "4217"])  # nobody else sleeps so long
        time.sleep(600)


class Fails(_Trouble):
    """Scores well, and fails when it is fitted on all rows."""

    name = "fails"
    bags = False

    def fit(self, model, params, train, job, valid=None):
        if valid is None:
            raise ValueError("not on all rows")
        return Linear.fit(self, model, params, train, job, valid)


TROUBLE: tuple[Family, ...] = (Raises(), Exits(), Segfaults(), Devours())
