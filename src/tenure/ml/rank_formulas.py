"""The formulas that look at the order of the rows by probability: rows and weights (rows, resamples) in."""

from __future__ import annotations

import numpy as np

from tenure.ml.formulas import Array, Floats, Groups, Scored, nanmean, ratio


def ranks(score: Array, resolution: int | None) -> tuple[Array, int]:
    """The group (rows,) of each row by rising score, and how many there are: equal scores share one.

    With a `resolution`, neighbouring groups are joined until about so many are left.
    """
    order = np.argsort(score, kind="stable")
    new = np.r_[True, np.diff(score[order]) != 0] if len(score) else np.zeros(0, dtype=bool)
    if resolution is not None and len(score) > resolution:
        # By the place of the first of the equal ones, so that they stay together.
        first = np.maximum.accumulate(np.where(new, np.arange(len(score)), 0))
        coarse = first * resolution // len(score)
        new = np.r_[True, np.diff(coarse) != 0]
    codes = np.empty(len(score), dtype=np.int64)
    codes[order] = np.cumsum(new) - 1
    return codes, int(new.sum())


def _ranked(rows: Scored, position: int, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positive and negative rows in each group of equal probability of a class, ascending: two
    (groups, resamples)."""

    def groups() -> Groups:
        codes, count = ranks(rows.known_probabilities()[:, position], rows.resolution)
        return Groups(codes * 2 + (rows.truth == position), 2 * count)

    sums = rows.once(f"ranked {position}", groups).sums(weights)
    return sums[1::2], sums[::2]


def _auc(rows: Scored, position: int, weights: Floats) -> Floats:
    """Mann-Whitney: the share of (positive, negative) pairs in the right order, ties counting half."""
    hits, misses = _ranked(rows, position, weights)
    below = np.cumsum(misses, axis=0) - misses
    wins = (hits * (below + misses / 2)).sum(axis=0)
    return ratio(wins, hits.sum(axis=0) * misses.sum(axis=0), np.nan)


def roc_auc(rows: Scored, weights: Floats) -> Floats:
    """Area under the ROC curve; for several classes the mean of one against the rest."""
    if rows.classes == 2:
        return _auc(rows, 1, weights)
    return nanmean(np.stack([_auc(rows, position, weights) for position in range(rows.classes)]))


def average_precision(rows: Scored, weights: Floats) -> Floats:
    """Mean of the precision at each positive row, by falling probability."""
    hits, misses = (side[::-1] for side in _ranked(rows, 1, weights))
    above = np.cumsum(hits, axis=0)
    precision = ratio(above, above + np.cumsum(misses, axis=0), 0.0)
    return ratio((hits * precision).sum(axis=0), hits.sum(axis=0), np.nan)


def kolmogorov_smirnov(rows: Scored, weights: Floats) -> Floats:
    """Greatest distance between the distributions of the probability among positive and among negative rows."""
    hits, misses = _ranked(rows, 1, weights)
    positive = ratio(np.cumsum(hits, axis=0), np.broadcast_to(hits.sum(axis=0), hits.shape), np.nan)
    negative = ratio(np.cumsum(misses, axis=0), np.broadcast_to(misses.sum(axis=0), misses.shape), np.nan)
    result: Floats = np.abs(positive - negative).max(axis=0)
    return result


def top_decile_lift(rows: Scored, weights: Floats) -> Floats:
    """How many times more positives there are in the tenth of the rows with the highest probability than among all.

    Of rows with equal probability at its edge the fitting share counts.
    """
    hits, misses = (side[::-1] for side in _ranked(rows, 1, weights))
    size = hits + misses
    total = size.sum(axis=0)
    before = np.cumsum(size, axis=0) - size
    inside = np.clip(total / 10 - before, 0.0, size)
    found = (hits * ratio(inside, size, 0.0)).sum(axis=0)
    share = ratio(found, total / 10, np.nan)
    return ratio(share, hits.sum(axis=0) / total, np.nan)
