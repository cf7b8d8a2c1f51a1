"""What a model attends to, beside what the drivers contribute."""

from __future__ import annotations

import textwrap
from typing import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .canvas import new_figure
from .palette import INK, RAMPS, SOFT


def attention_figure(rows: pd.DataFrame, names: Sequence[str], titles: Sequence[str], caveat: str) -> Figure:
    """Return shares of attention (left) and of contributions (right) by class and season.

    Parameters
    ----------
    rows : pandas.DataFrame
        See `reco_core.actions.attention.attention_rows`.
    names, titles : sequence of str
        Columns of the drivers and what to call them.
    caveat : str
        Stands below.
    """
    figure = new_figure(3.2 + 0.9 * len(names), 0.26 * len(rows) + 2.6, "Attention and contributions of the drivers")
    panels = figure.subplots(1, 2, sharey=True)
    top = max(float(rows[list(names)].to_numpy().max()),
              float(rows[[f"{name}_contribution" for name in names]].to_numpy().max()))
    for axes, suffix, title in zip(panels, ("", "_contribution"), ("Share of attention", "Share of contributions")):
        values = rows[[name + suffix for name in names]].to_numpy(float)
        cells = axes.imshow(values, aspect="auto", cmap=RAMPS["share"], vmin=0, vmax=top)
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                      color="white" if value > 0.6 * top else INK)
        axes.set_xticks(range(len(names)), ["\n".join(textwrap.wrap(text, 14)) for text in titles], rotation=90)
        axes.set_title(title)
        axes.tick_params(length=0)
    panels[0].set_yticks(range(len(rows)), [f"{row['class']}, {row['season']} (n={row['samples']:,})"
                                            for _, row in rows.iterrows()])
    colours = figure.colorbar(cells, ax=panels, label="Share [1]", shrink=0.8, aspect=30, pad=0.02)
    colours.outline.set_linewidth(0.5)  # type: ignore[operator]
    width = int(16 * figure.get_size_inches()[0])
    figure.supxlabel("\n".join(textwrap.wrap(caveat, width)), fontsize=7.5, color=SOFT, x=0.02, ha="left")
    return figure
