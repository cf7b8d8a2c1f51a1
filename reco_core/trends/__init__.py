"""Trends of series and of maps."""

from .annual import AnnualSeries, decimal_years
from .field import FieldSignificance, fdr_threshold
from .mann_kendall import MannKendall, mann_kendall
from .maps import trend_maps, trend_units
from .methods import METHODS, TrendTest
from .theil_sen import TheilSen, theil_sen
from .variants import SeriesTrend, series_trend

__all__ = ["METHODS", "AnnualSeries", "FieldSignificance", "MannKendall", "SeriesTrend", "TheilSen", "TrendTest",
           "decimal_years", "fdr_threshold", "mann_kendall", "series_trend", "theil_sen", "trend_maps",
           "trend_units"]
