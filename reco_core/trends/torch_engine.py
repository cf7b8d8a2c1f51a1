"""The same trends by torch, on a GPU or the processor: all slopes of some pixels are sorted at once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..deps import need

if TYPE_CHECKING:
    from .engine import Layout

BYTES_AT_ONCE = {"cpu": 128e6, "cuda": 4e9}
COPIES = 6  # of the slopes, while they are sorted


def torch_run(rows: np.ndarray, stretch: np.ndarray, out: np.ndarray, *, layout: Layout, fewest: int,
              z_level: float, device: str) -> None:
    """Fill `out` (pixels, 8) with the trends of `rows` (time, pixels or more) like `engine.own_run`."""
    torch = need("torch", extra="deep")
    from .vectors import LANES

    first, second = (torch.as_tensor(pairs.astype("int64") // LANES, device=device)
                     for pairs in (layout.first, layout.second))
    spans = torch.as_tensor(layout.spans, device=device)[:, None]
    step = max(1, int(BYTES_AT_ONCE[device] / (COPIES * 8 * (layout.first.size + layout.groups[-1]))))
    with torch.inference_mode():
        for start in range(0, len(out), step):
            part = slice(start, min(start + step, len(out)))
            y = torch.as_tensor(np.ascontiguousarray(rows[:, part]), device=device)
            widen = torch.as_tensor(stretch[part], device=device)
            found = _trends(torch, y, widen, first, second, spans, layout.groups, z_level)
            out[part] = found.cpu().numpy()
    out[(out[:, 6] < fewest) | (out[:, 7] == 0), :6] = np.nan


def _trends(torch: Any, y: Any, widen: Any, first: Any, second: Any, spans: Any, groups: np.ndarray,
            z_level: float) -> Any:
    """Return the table of some pixels, y of shape (time, pixels)."""
    slopes = (y[second] - y[first]) / spans
    known, valid = ~torch.isnan(y), ~torch.isnan(slopes)
    count, pairs = known.sum(0), valid.sum(0)
    score = torch.nan_to_num(torch.sign(slopes)).sum(0)
    variance = torch.zeros_like(widen)
    for begin, end in pairwise(groups):
        m = known[begin:end].sum(0).double()
        variance += m * (m - 1) * (2 * m + 5)
    equal = (slopes == 0).double()
    # u values are equal to each of a group of u: the sum over groups is one over values
    u = torch.zeros_like(y).index_add_(0, first, equal).index_add_(0, second, equal) + 1
    variance = (variance - ((u - 1) * (2 * u + 5)).sum(0)) / 18
    ordered = torch.sort(slopes, dim=0).values  # NaN last
    spread = z_level * torch.sqrt(variance * widen)
    last = (pairs - 1).clamp(min=0)
    low = (torch.round(0.5 * (pairs - spread)).long() - 1).clamp(min=0)
    high = torch.minimum(torch.round(0.5 * (pairs + spread)).long(), last)
    low, lower, upper, high = (ordered.gather(0, at[None])[0] for at in (low, last // 2, pairs // 2, high))
    mean = torch.nan_to_num(y).sum(0) / count
    return torch.stack([0.5 * (lower + upper), mean, low, high, score, variance, count.double(), pairs.double()], dim=1)
