"""Trends of series and of maps."""

from .annual import AnnualSeries, decimal_years
from .mann_kendall import MannKendall, mann_kendall
from .maps import trend_dataset, trend_maps, trend_units
from .theil_sen import TheilSen, theil_sen

__all__ = ["AnnualSeries", "MannKendall", "TheilSen", "decimal_years", "mann_kendall", "theil_sen",
           "trend_dataset", "trend_maps", "trend_units"]
