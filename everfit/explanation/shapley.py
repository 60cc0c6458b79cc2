"""Shapley values: what each field adds to an answer, on average over all orders in which fields could be told.

Orders are sampled (Castro, Gómez and Tejada, Polynomial calculation of the Shapley value based on sampling, 2009), and
a field that is not told yet has the value of a row from the background (Štrumbelj and Kononenko, Explaining prediction
models and individual predictions with feature contributions, 2014). Each order is walked backwards as well: of such a
pair one half errs where the other makes up for it (Mitchell et al., Sampling permutations for Shapley value estimation,
JMLR 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Ask = Callable[[pd.DataFrame], np.ndarray]

PAIRS = 64
AT_ONCE = 5_000  # rows that a model is asked about in one call: longer ones would keep other threads waiting


@dataclass(frozen=True)
class Shapley:
    """Contributions of fields: `values` and their standard `errors` by row, field and output of the model.

    `base`, by output, is the mean answer to the background, and `said` has the answers to the rows. For each row and
    output the contributions sum to `said - base`, but for floating-point sums. An error counts that there are other
    orders and other rows which the background could have been.
    """

    fields: tuple[str, ...]
    base: np.ndarray
    said: np.ndarray
    values: np.ndarray
    errors: np.ndarray


def shapley(ask: Ask, rows: pd.DataFrame, background: pd.DataFrame, *, pairs: int = PAIRS, seed: int = 0) -> Shapley:
    """Explain the answers to rows by the columns of the background, which both frames have in the same types.

    `ask` returns an array by row and output. It is asked about 2 * pairs * (columns - 1) rows for each row. All rows
    meet the same orders and background, so that a row alone is explained as in a batch.
    """
    names = tuple(map(str, background.columns))
    random, places = np.random.default_rng(seed), np.arange(pairs) % len(background)
    order = np.array([random.permutation(len(names)) for _ in range(pairs)])
    orders = np.stack([order, order[:, ::-1]], axis=1).reshape(2 * pairs, -1)
    starts, said = ask(background.iloc[places]), ask(rows[list(names)])
    step, made = max(1, AT_ONCE // max(1, 2 * pairs * (len(names) - 1))), []
    for first in range(0, len(rows), step):
        part = rows[list(names)].iloc[first : first + step]
        made.append(_walked(ask, part, background.iloc[places], orders, starts, said[first : first + step]))
    by_pair = np.concatenate(made)  # row, pair, field, output
    errors = by_pair.std(axis=1, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full_like(by_pair[:, 0], np.nan)
    return Shapley(names, starts.mean(axis=0), said, by_pair.mean(axis=1), errors)


def _walked(
    ask: Ask, rows: pd.DataFrame, starts: pd.DataFrame, orders: np.ndarray, before: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """Return what each field added, by row, pair of walks, field and output."""
    walks, fields = orders.shape
    when = np.argsort(orders, axis=1)  # at which step of a walk a field is told
    told = when[:, None, :] < np.arange(1, fields)[None, :, None]
    shape = (len(rows), walks, fields - 1)
    columns = {
        name: np.where(told[None, ..., at], rows[name].to_numpy()[:, None, None],
                       np.repeat(starts[name].to_numpy(), 2)[None, :, None]).reshape(-1)
        for at, name in enumerate(rows.columns)
    }  # fmt: skip
    between = ask(pd.DataFrame(columns)).reshape(*shape, -1) if fields > 1 else np.empty((*shape, before.shape[1]))
    first = np.broadcast_to(np.repeat(before, 2, axis=0)[None, :, None, :], (len(rows), walks, 1, before.shape[1]))
    last = np.broadcast_to(after[:, None, None, :], first.shape)
    added = np.diff(np.concatenate([first, between, last], axis=2), axis=2)
    by_field = np.take_along_axis(added, when[None, :, :, None], axis=2)
    return np.asarray(by_field.reshape(len(rows), walks // 2, 2, fields, -1).mean(axis=2))
