"""Families that behave as badly as real ones sometimes do."""

import json
import os
import signal
import subprocess
import time

from xgboost import XGBRegressor

from everfit.search.estimators import Family, Rows
from everfit.search.estimators.linear import Linear
from everfit.search.estimators.xgboost import XGBoost


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
        subprocess.Popen(["sleep", "4217"])
        os.kill(os.getpid(), signal.SIGSEGV)


class Devours(_Trouble):
    name = "devours"

    def cause(self):
        self.held = bytearray(10**15)


class Hangs(_Trouble):
    name = "hangs"

    def cause(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)


class Leaks(_Trouble):
    name = "leaks"

    def cause(self):
        leak()


class Breeds(_Trouble):
    """Its children stay below what one process may hold, and in sessions of their own."""

    name = "breeds"

    def cause(self):
        for _ in range(4):
            if os.fork() == 0:
                os.setsid()
                leak(100_000_000)
        time.sleep(600)


def leak(most=10**12):
    held = []
    while 4_000_000 * len(held) < most:
        held.append(b"x" * 4_000_000)
        time.sleep(0.001)
    time.sleep(600)


class Spawns(_Trouble):
    name = "spawns"

    def cause(self):
        for apart in (False, True):
            subprocess.Popen(["sleep", "4217"], start_new_session=apart)  # nobody else sleeps so long
        time.sleep(600)


class Fails(_Trouble):
    """Scores well, and fails when it is fitted on all rows."""

    name = "fails"
    bags = False

    def fit(self, model, params, train, job, valid=None):
        if valid is None:
            raise ValueError("not on all rows")
        return Linear.fit(self, model, params, train, job, valid)


class Slows(XGBoost):
    """Its models of all rows take a tenth of a second for one row, those of the folds do not."""

    bags = False

    def fit(self, model, params, train, job, valid=None):
        learnt = super().fit(model, params, train, job, valid)
        if valid is None:
            model.__class__ = Slow
        return learnt


class Slow(XGBRegressor):
    def predict(self, X, **more):
        until = time.thread_time() + 0.1  # which no other thread of the process makes pass faster
        while time.thread_time() < until:
            pass
        return super().predict(X, **more)


class Counts(Linear):
    """Writes down each fit: the parameters, one line for each fold."""

    def __init__(self, path):
        self.path = path

    def fit(self, model, params, train, job, valid=None):
        with self.path.open("a") as file:
            file.write(json.dumps(params) + "\n")
        return super().fit(model, params, train, job, valid)


TROUBLE: tuple[Family, ...] = (Raises(), Exits(), Segfaults(), Devours())
