"""The region through time: the series, the year, the contributions through the year."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from .canvas import FULL, HALF, label_axes, new_figure
from .figures_maps import short
from .inputs import Driver, Frame, Series
from .palette import ACCENT, LINE_COLOURS, RULE, SOFT, with_unit
from .tally import mean_known

MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")


def decimal_years(labels: Sequence[str]) -> np.ndarray:
    """Return the middle of each step as a decimal year, from labels YYYY, YYYY-MM or YYYY-MM-DD.

    Examples
    --------
    >>> decimal_years(["2001", "2001-01"]).round(3)
    array([2001.5  , 2001.042])
    """
    years = []
    for label in labels:
        parts = [int(part) for part in label.split("-")]
        if len(parts) == 1:
            years.append(parts[0] + 0.5)
        elif len(parts) == 2:
            years.append(parts[0] + (parts[1] - 0.5) / 12)
        else:
            years.append(parts[0] + (parts[1] - 1) / 12 + parts[2] / 372)
    return np.array(years)


def annual_mean(labels: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the years with as many steps as the fullest one, and the mean of each."""
    years = np.array([int(label[:4]) for label in labels])
    found, counts = np.unique(years, return_counts=True)
    whole = found[counts == counts.max()]
    return whole, np.array([np.nanmean(values[years == year]) for year in whole])


def time_series(series: Series, unit: str, flux_title: str) -> Figure:
    """Return the mean of the region per time step with the spread of the ensemble."""
    figure = new_figure(FULL, 3.3)
    axes = figure.subplots()
    x = decimal_years(series.times)
    axes.grid(axis="y")
    seasonal = "-" in series.times[0] and len(x) > 24
    if series.spread is not None:
        axes.fill_between(x, series.mean - series.spread, series.mean + series.spread, color=ACCENT, alpha=0.2,
                          linewidth=0, label="± mean spread over the folds")
    axes.plot(x, series.mean, color=ACCENT, linewidth=1.1 if seasonal else 1.5, marker="" if seasonal else "o",
              markersize=3, label="mean of the region")
    if seasonal:
        years, means = annual_mean(series.times, series.mean)
        axes.plot(years + 0.5, means, color="#d55e00", linewidth=1.4, marker="o", markersize=3.2,
                  label="mean of a whole year")
    axes.set_xlim(x[0] - 0.02 * max(x[-1] - x[0], 0.1), x[-1] + 0.02 * max(x[-1] - x[0], 0.1))
    axes.set_ylabel(with_unit(_short(flux_title), unit))
    axes.set_xlabel("Year")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.set_title(f"{flux_title} of the region through time (area-weighted)")
    axes.legend(loc="upper left", ncols=3)
    low, high = axes.get_ylim()
    axes.set_ylim(low if low < 0 else max(0.0, low), high + 0.17 * (high - low))
    return figure


def _short(flux_title: str) -> str:
    return flux_title.split()[-1].capitalize()


def by_month(labels: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Return values of shape (12, years) of a monthly series, NaN where a month is lacking."""
    years = sorted({label[:4] for label in labels})
    table = np.full((12, len(years)), np.nan)
    for label, value in zip(labels, values):
        table[int(label[5:7]) - 1, years.index(label[:4])] = value
    return table


def seasonal_cycle(series: Series, unit: str, flux_title: str) -> Figure:
    """Return the mean year of the region, or of its zones, with the range over the years."""
    figure = new_figure(HALF, 3.4)
    axes = figure.subplots()
    axes.grid(axis="y")
    zones: Mapping[str, np.ndarray] = series.zones or {"mean of the years": series.mean}
    for (name, values), colour in zip(zones.items(), ("#0072b2", "#d55e00", "#009e73")):
        table = by_month(series.times, values)
        months = np.arange(1, 13)
        mean = mean_known(table, axis=1)
        known = np.isfinite(mean)
        if table.shape[1] > 2:
            low, high = np.nanpercentile(table[known], (10, 90), axis=1)
            axes.fill_between(months[known], low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(months, mean, color=colour, marker="o", markersize=3.2, linewidth=1.4, label=name)
    axes.set_xticks(range(1, 13), MONTHS)
    axes.set_xlim(0.6, 12.4)
    axes.set_xlabel("Month")
    axes.set_ylabel(with_unit(_short(flux_title), unit))
    axes.set_title("Mean year (band: 10–90 % of the years)")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0) if low < 0.3 * high else low, high + 0.14 * (high - low))
    axes.legend(loc="upper left", ncols=2)
    return figure


def latitude_profile(frame: Frame, flux: np.ndarray, spread: Optional[np.ndarray], unit: str,
                     flux_title: str) -> Optional[Figure]:
    """Return the mean of the cells of each latitude, or None without cells."""
    rows = flux.shape[0]
    latitude = frame.top - (np.arange(rows) + 0.5) * (frame.top - frame.bottom) / rows
    known = np.isfinite(flux).any(axis=1)
    if known.sum() < 3:
        return None
    figure = new_figure(HALF, 3.4)
    axes = figure.subplots()
    axes.grid(axis="both")
    mean = np.full(rows, np.nan)
    mean[known] = np.nanmean(flux[known], axis=1)
    if spread is not None:
        width = np.full(rows, np.nan)
        width[known] = np.nanmean(np.where(np.isfinite(flux[known]), spread[known], np.nan), axis=1)
        axes.fill_betweenx(latitude, mean - width, mean + width, color=ACCENT, alpha=0.2, linewidth=0,
                           label="± mean spread")
    axes.plot(mean, latitude, color=ACCENT, linewidth=1.4, label="mean of the cells")
    label_axes(axes, frame, x=False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(with_unit(_short(flux_title), unit))
    axes.set_ylim(frame.bottom, frame.top)
    axes.set_title(f"{flux_title} from north to south")
    axes.legend(loc="best")
    return figure


def contribution_year(drivers: Sequence[Driver], dependence: Mapping[str, tuple[np.ndarray, np.ndarray,
                      Optional[np.ndarray]]], order: Sequence[str], unit: str, most: int = 6) -> Optional[Figure]:
    """Return the mean contribution of the main drivers per calendar month, or None without months."""
    names = [name for name in order if name in dependence and dependence[name][2] is not None][:most]
    if not names:
        return None
    titles = {driver.name: driver.long_name for driver in drivers}
    figure = new_figure(HALF, 3.4)
    axes = figure.subplots()
    axes.grid(axis="y")
    axes.axhline(0, color=SOFT, linewidth=0.8)
    for name, colour, marker in zip(names, LINE_COLOURS, "os^Dv<"):
        _x, contribution, month = dependence[name]
        assert month is not None
        means = [np.nanmean(contribution[month == m]) if (month == m).any() else np.nan for m in range(1, 13)]
        axes.plot(np.arange(1, 13), means, color=colour, marker=marker, markersize=3.4, linewidth=1.3,
                  label=short(titles.get(name, name), 28))
    axes.set_xticks(range(1, 13), MONTHS)
    axes.set_xlim(0.6, 12.4)
    axes.set_xlabel("Month")
    axes.set_ylabel(with_unit("Mean contribution", unit))
    axes.set_title("Contributions through the year")
    figure.legend(loc="outside lower left", ncols=2, columnspacing=1.2)
    axes.spines["bottom"].set_color(RULE)
    return figure
