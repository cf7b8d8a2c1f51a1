"""Tables and patches around towers, as files."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from reco_core.errors import ConfigError
from reco_core.io.footprint_files import write_footprints, write_patches

TIMES = np.array(["2001-01", "2001-02"], dtype="datetime64[ns]")


def test_table(tmp_path):
    """A row per site and time step in their order; gaps are empty; dates as the time step writes them."""
    ds = xr.Dataset({"ta": (("site", "time"), [[1.5, np.nan], [0.0, 2.25]])}, {"site": ["A", "B"], "time": TIMES})
    assert write_footprints(ds, tmp_path / "f.csv", "month").read_text() == (
        "site,time,ta\nA,2001-01,1.5\nA,2001-02,\nB,2001-01,0\nB,2001-02,2.25\n")


def patch(name, dims, shape):
    """Return one driver."""
    sizes = dict(zip(dims, shape))
    coords = {"site": np.array(["A", "B"], dtype=object), "dy": [-1, 0, 1], "dx": [-1, 0, 1], "time": TIMES}
    return xr.Dataset({name: (dims, np.arange(np.prod(shape), dtype="float32").reshape(shape))},
                      {key: values for key, values in coords.items() if key in sizes})


def test_patches(tmp_path):
    """Static and dated drivers share one file and its coordinates, whichever comes first."""
    static = patch("soc_0", ("site", "dy", "dx"), (2, 3, 3))
    dated = [patch(name, ("site", "time", "dy", "dx"), (2, 2, 3, 3)) for name in ("ta", "lai")]
    for order in ([static, *dated], [*dated, static]):
        with xr.open_dataset(write_patches([part.copy() for part in order], tmp_path / "p.nc")) as found:
            assert set(found.data_vars) == {"soc_0", "ta", "lai"}
            assert found["site"].values.tolist() == ["A", "B"]
            np.testing.assert_array_equal(found["time"].values, TIMES)
            for part in order:
                name = next(iter(part.data_vars))
                np.testing.assert_array_equal(found[name].values, part[name].values)


def test_wrong_ending(tmp_path):
    """Patches are NetCDF."""
    with pytest.raises(ConfigError, match="NetCDF"):
        write_patches([], tmp_path / "p.csv")
