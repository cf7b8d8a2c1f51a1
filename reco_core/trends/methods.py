"""Which tests of a trend there are, what each is called, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..errors import ConfigError

SEN = "Sen, P. K. (1968). J. Am. Stat. Assoc. 63, 1379-1389. doi:10.1080/01621459.1968.10480934"
MANN = "Mann, H. B. (1945). Econometrica 13, 245-259. doi:10.2307/1907187"
HIRSCH = "Hirsch, R. M., Slack, J. R., Smith, R. A. (1982). Water Resour. Res. 18, 107-121. doi:10.1029/WR018i001p00107"
HIRSCH_SLACK = "Hirsch, R. M., Slack, J. R. (1984). Water Resour. Res. 20, 727-732. doi:10.1029/WR020i006p00727"
HAMED_RAO = "Hamed, K. H., Rao, A. R. (1998). J. Hydrol. 204, 182-196. doi:10.1016/S0022-1694(97)00125-X"
YUE_WANG = "Yue, S., Wang, C. (2004). Water Resour. Manag. 18, 201-218. doi:10.1023/B:WARM.0000043140.61082.60"
STORCH = "von Storch, H. (1999). In: Analysis of Climate Variability, 11-26. doi:10.1007/978-3-662-03744-7_2"
YUE = "Yue, S., Pilon, P., Phinney, B., Cavadias, G. (2002). Hydrol. Process. 16, 1807-1829. doi:10.1002/hyp.1095"

# name: what stands in the tags of a raster, what to cite beside Sen
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("Mann-Kendall test", (MANN,)),
    "seasonal": ("seasonal Mann-Kendall test", (MANN, HIRSCH)),
    "seasonal_covariance": ("seasonal Mann-Kendall test with covariances between seasons", (MANN, HIRSCH_SLACK)),
    "hamed_rao": ("Mann-Kendall test with the variance of Hamed and Rao", (MANN, HAMED_RAO)),
    "yue_wang": ("Mann-Kendall test with the variance of Yue and Wang", (MANN, YUE_WANG)),
    "prewhitening": ("Mann-Kendall test of the pre-whitened series", (MANN, STORCH)),
    "tfpw": ("Mann-Kendall test with trend-free pre-whitening", (MANN, YUE)),
}
SEASONAL = ("seasonal", "seasonal_covariance")
CHANGES_VARIANCE = ("seasonal_covariance", "hamed_rao", "yue_wang")


@dataclass(frozen=True)
class TrendTest:
    """A test of a trend and its settings.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    season : int
        Length of the season cycle in time steps, 12 for months; for the seasonal tests.
    lags : int
        Highest lag of autocorrelation that counts; 0 is a quarter of the number of values for hamed_rao and 1 for
        yue_wang, as their authors propose.
    floor : float
        The variance of S is never less than this share of that of the plain test. 1 keeps a test from being more
        significant than the plain one; 0.05 is that of the published software of Hamed and Rao.
    always : bool
        tfpw takes out the autocorrelation whether it is significant or not.

    Raises
    ------
    ConfigError
        There is no such method, a seasonal one has no season, or lags or floor make no sense.
    """

    method: str = "plain"
    season: int = 0
    lags: int = 0
    floor: float = 1.0
    always: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"There is no trend method '{self.method}'", "Use one of: " + ", ".join(METHODS))
        if self.seasonal and self.season < 2:
            raise ConfigError(f"The method '{self.method}' needs at least 2 seasons, not {self.season}",
                              "Give season=12 for months and annual=none, or choose another method")
        if self.lags < 0 or not self.floor > 0:
            raise ConfigError(f"There is no test with lags={self.lags} and floor={self.floor:g}",
                              "Give lags from 0 and a floor above 0")

    @property
    def seasonal(self) -> bool:
        """Whether only values of the same season are compared."""
        return self.method in SEASONAL

    @property
    def text(self) -> str:
        """What stands in the tags of a raster."""
        return METHODS[self.method][0]

    @property
    def citations(self) -> list[str]:
        """What to cite."""
        return [SEN, *METHODS[self.method][1]]

    def highest_lag(self, n: int) -> int:
        """Return the highest lag of autocorrelation that counts in a series of `n` values."""
        usual = n // 4 if self.method == "hamed_rao" else 1
        return min(self.lags or usual, n - 1)


def even_positions(times: np.ndarray) -> Optional[np.ndarray]:
    """Return the place of each time on an axis without gaps, or None where times are not evenly spaced."""
    if times.size < 2:
        return np.zeros(times.size, dtype="int64")
    exact = (times - times[0]) / np.diff(times).min()
    places = np.round(exact).astype("int64")
    return places if np.abs(exact - places).max() <= 1e-3 else None


def positions(times: np.ndarray) -> np.ndarray:
    """Return the place of each time on an axis without gaps; 0, 1, 2, ... where times are not evenly spaced.

    Examples
    --------
    >>> positions(np.array([2001.0, 2002.0, 2005.0])).tolist()
    [0, 1, 4]
    """
    places = even_positions(times)
    return np.arange(times.size) if places is None else places
