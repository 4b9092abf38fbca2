"""Scale of a store: the spread of its log residuals, by which they are divided before stores are compared."""

from __future__ import annotations

import numpy as np

from sales.arrays import Float64

CLIP = 5.0  # times a store's median absolute residual; larger residuals count as this much in the store's scale
ERROR = 1.0  # squared relative error of a scale from one residual; why: 0.57 if normal, more if the tails are heavy
_SMALLEST = 1e-9  # scale, so that constant sales are not divided by 0
_LEAST = 0.01  # times the mean scale, so that a store whose few residuals are 0 is not taken as certain


def store_scale(size: Float64) -> Float64:
    """Return the scale of each store, ``[store]``, from absolute log residuals ``[window, store, day ahead]``.

    It is the mean absolute residual, where larger residuals than ``CLIP`` medians are cut. Its log is shrunk towards
    the mean of all stores, by the share of the differences between stores that few residuals explain (an empirical
    Bayes estimate). A store without residuals has the scale of an average store.
    """
    by_store = np.moveaxis(size, 1, 0).reshape(size.shape[1], -1)
    n = (~np.isnan(by_store)).sum(axis=1)
    seen = n > 0
    median = np.nanmedian(by_store[seen], axis=1)
    mean = np.nanmean(np.minimum(by_store[seen], CLIP * median[:, None]), axis=1)
    overall = float((mean * n[seen]).sum() / n.sum())
    if overall == 0:
        return np.full(len(n), _SMALLEST)
    log_scale, error = np.log(np.maximum(mean, _LEAST * overall)), ERROR / n[seen]
    center = float(np.average(log_scale, weights=n[seen]))
    between = max(float(np.average((log_scale - center) ** 2, weights=n[seen])) - float(error.mean()), 0)
    scale: Float64 = np.full(len(n), center)
    scale[seen] += between / (between + error) * (log_scale - center)
    return np.asarray(np.exp(scale), dtype=np.float64)


def scale_of_others(size: Float64) -> Float64:
    """Return the scale for each residual from others, ``[window, store, day ahead]``, as its score needs it.

    The others are the residuals of the other windows or, if there is one window, those of every other week.

    Args:
        size: ``[window, store, day ahead]``, absolute log residuals.
    """
    if len(size) > 1:
        fold = np.broadcast_to(np.arange(len(size))[:, None, None], size.shape)
    else:
        fold = np.broadcast_to(np.arange(size.shape[2]) // 7 % 2, size.shape)
    scale = np.broadcast_to(store_scale(size)[:, None], size.shape).copy()
    for part in np.unique(fold[~np.isnan(size)]).tolist():
        others = np.where(fold == part, np.nan, size)
        if not np.isnan(others).all():
            np.copyto(scale, store_scale(others)[:, None], where=fold == part)
    return scale
