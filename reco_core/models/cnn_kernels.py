"""Compiled kernels of `cnn_numpy.py`, which explains the idea and calls them."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ..deps import jit

TOGETHER = 4


@jit
def layer(rows, weights, bias, windows, channels, out):
    """Write the largest of rectified products in each window to `out` (n, windows x channels).

    rows (n, a), weights (a, positions x channels), bias (positions x channels,); windows (w, m) names the positions
    of each window, -1 where there is none. Every row is added up in the same order, whatever rows are beside it.
    """
    width = weights.shape[1]
    sums = np.empty((TOGETHER, width), np.float32)
    for first in range(0, rows.shape[0], TOGETHER):
        count = min(TOGETHER, rows.shape[0] - first)
        for r in range(TOGETHER):
            for j in range(width):
                sums[r, j] = bias[j]
        for k in range(rows.shape[1]):
            own = weights[k]
            one, two = rows[first, k], rows[first + min(1, count - 1), k]
            three, four = rows[first + min(2, count - 1), k], rows[first + min(3, count - 1), k]
            for j in range(width):
                sums[0, j] += one * own[j]
                sums[1, j] += two * own[j]
                sums[2, j] += three * own[j]
                sums[3, j] += four * own[j]
        for r in range(count):
            for w in range(windows.shape[0]):
                start = w * channels
                for c in range(channels):
                    out[first + r, start + c] = 0.0
                for m in range(windows.shape[1]):
                    if windows[w, m] >= 0:
                        at = windows[w, m] * channels
                        for c in range(channels):
                            out[first + r, start + c] = max(out[first + r, start + c], sums[r, at + c])


@jit
def dense(rows, weights, bias, out):
    """Write the product of rows (n, a) and weights (a,) plus a bias to `out` (n,), added up in double precision."""
    for r in range(rows.shape[0]):
        total = bias
        for k in range(rows.shape[1]):
            total += np.float64(rows[r, k]) * weights[k]
        out[r] = total


@jit
def layer_choice(rows, weights, bias, windows, channels, out, choice):
    """Do what `layer` does, and write the column of the sums that each value comes from, -1 where it is 0."""
    width = weights.shape[1]
    sums = np.empty(width, np.float32)
    for r in range(rows.shape[0]):
        for j in range(width):
            sums[j] = bias[j]
        for k in range(rows.shape[1]):
            value, own = rows[r, k], weights[k]
            if value != 0.0:
                for j in range(width):
                    sums[j] += value * own[j]
        for w in range(windows.shape[0]):
            for c in range(channels):
                largest, at = np.float32(0.0), -1
                for m in range(windows.shape[1]):
                    if windows[w, m] >= 0:
                        column = windows[w, m] * channels + c
                        if sums[column] > largest:
                            largest, at = sums[column], column
                out[r, w * channels + c], choice[r, w * channels + c] = largest, at


@jit
def layer_back(slopes, choice, turned, out):
    """Write the slopes of the values that went into a layer to `out` (n, a), given those of what came out (n, b)."""
    for r in range(slopes.shape[0]):
        for k in range(out.shape[1]):
            out[r, k] = 0.0
        for b in range(slopes.shape[1]):
            if choice[r, b] >= 0:
                slope, own = slopes[r, b], turned[choice[r, b]]
                for k in range(out.shape[1]):
                    out[r, k] += slope * own[k]


@jit
def between(rows, background, shares, out):
    """Write points on the way from each background row to each row to `out` (n x m, a), row by row."""
    count = background.shape[0]
    for r in range(rows.shape[0]):
        for b in range(count):
            for k in range(rows.shape[1]):
                start = background[b, k]
                out[r * count + b, k] = start + shares[b] * (rows[r, k] - start)


@jit
def add_up(rows, background, slopes, phi):
    """Add the mean over background rows of step times slope to `phi` (n, channels), cell after cell."""
    count, channels = background.shape[0], phi.shape[1]
    for r in range(rows.shape[0]):
        for b in range(count):
            for k in range(rows.shape[1]):
                step = np.float64(rows[r, k]) - background[b, k]
                phi[r, k % channels] += step * slopes[r * count + b, k] / count
