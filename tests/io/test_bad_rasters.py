"""Rasters and NetCDF files that are damaged or not what they seem: each is told, none is guessed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from climate import axis, days_since, month_middles, write
from rasters import field, grid, months, save
from reco_core.errors import GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.rasters.netcdf3 import require_whole
from reco_core.io.rasters.tags import refuse_nan_among_integers

LAT, LON = axis(49.75, 8, -0.5), axis(0.25, 10, 0.5)


def monthly(path, form="NETCDF4", times=None):
    values = field(12, grid())
    dates = month_middles("2001-01", 12) if times is None else times
    return write(path, {"ta": (values, {"units": "degC"})}, lat=LAT, lon=LON, times=days_since("1900-01-01", dates),
                 form=form)


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def test_truncated_netcdf(tmp_path, form):
    """A file that was cut off is refused when it is opened, also where the library would read zeros."""
    path = Path(monthly(tmp_path / "ta.nc", form))
    assert np.array_equal(open_drivers(path)["ta"].values, field(12, grid()))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(SchemaError, match=r"ta\.nc.*(cut off: it has|no NetCDF file)"):
        open_drivers(path)


def test_truncation_with_fixed_and_record_variables(tmp_path):
    """Sizes are right for files with and without records, of odd lengths, and of one record variable."""
    for number, (records, shape) in enumerate([(None, (7, 3)), (5, (5, 3)), (None, (1, 1)), (None, (6, 5))]):
        for single in (False, True):
            path = tmp_path / f"{number}{single}.nc"
            with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
                file.title = "abc"
                file.createDimension("t", records)
                file.createDimension("y", shape[1])
                file.createVariable("a", "i2", ("t", "y"))[:] = np.ones(shape)
                if not single:
                    file.createVariable("t", "f8", ("t",))[:] = np.arange(shape[0])
                    file.createVariable("s", "i1", ())[...] = 1
            require_whole(str(path))
            path.write_bytes(path.read_bytes()[:-9] if shape != (1, 1) else path.read_bytes()[:20])
            with pytest.raises(SchemaError, match="cut off"):
                require_whole(str(path))


@pytest.mark.parametrize("name", ["ta.nc", "ta.tif", "ta.asc", "ta.hgt"])
def test_empty_files(tmp_path, name):
    """0 bytes are told as such."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SchemaError, match=r"is empty \(0 bytes\)"):
        open_drivers(tmp_path / name)


def test_time_that_jumps_back(tmp_path):
    """Dates that go back are named; months that lack are told and left as they are."""
    dates = month_middles("2001-01", 12)
    back = dates.copy()
    back[5] = dates[3]
    with pytest.raises(GridError, match="increase"):
        open_drivers(monthly(tmp_path / "back.nc", times=back))
    gap = np.concatenate([dates[:6], dates[6:] + 365])
    assert "missing at 1 places" in open_drivers(monthly(tmp_path / "gap.nc", times=gap)).attrs["notes"]


def test_hours_need_daily_means(tmp_path):
    """Steps shorter than a day are refused with what to do."""
    path = write(tmp_path / "t2m.nc", {"t2m": (field(48, grid(), low=260, high=300), {"units": "K"})}, lat=LAT, lon=LON,
                 times=np.arange(48), time_units="hours since 2001-01-01")
    with pytest.raises(GridError, match="shorter than a day") as caught:
        open_drivers(path)
    assert "daymean" in caught.value.hint


def test_half_months(real_data):
    """Half-monthly data is told as such, with a way to months."""
    with pytest.raises(GridError, match="half-month") as caught:
        open_drivers(real_data("grid_ndvi_evi_timeseries/gimms_ndvi3gv0_kilimanjaro.nc"))
    assert "month" in caught.value.hint


def test_nan_among_integers(tmp_path):
    """Files that say NaN is missing among integers are refused; nan in an ASCII grid of integers is missing."""
    tiff = Path(save(tmp_path / "igbp.tif", np.ones((1, 8, 10)), grid(), dtype="int16", nodata=-99))
    refuse_nan_among_integers(str(tiff))
    tiff.write_bytes(tiff.read_bytes().replace(b"-99\0", b"nan\0"))
    with pytest.raises(SchemaError, match=r"igbp\.tif' stores integers and says that NaN is missing"):
        open_drivers(tiff)
    path = tmp_path / "lai.nc"
    write(path, {"lai": (np.ones((8, 10)), {"dtype": "i2", "missing_value": np.nan})}, lat=LAT, lon=LON)
    with pytest.raises(SchemaError, match=r"lai\.nc' \(lai\) stores integers"):
        open_drivers(path)
    plain = tmp_path / "clay.asc"
    plain.write_text("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n1 nan\n3 4\n")
    values = open_drivers(plain, crs="EPSG:4326")["clay"].values
    assert np.isnan(values[0, 1]) and np.isfinite(values).sum() == 3


def test_curvilinear_grids(tmp_path):
    """Cells with longitudes of their own are no grid; coordinates beside a regular grid are no drivers."""
    path = tmp_path / "ta.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("y", 8), ("x", 10)):
            file.createDimension(name, size)
        for name, unit in (("lat", "degrees_north"), ("lon", "degrees_east"), ("ta", "degC")):
            variable = file.createVariable(name, "f4", ("y", "x"))
            variable.units = unit
            variable[:] = field(1, grid())[0]
    with pytest.raises(GridError, match="curvilinear.*lat and lon"):
        open_drivers(path)


def test_coordinates_beside_a_grid(real_data):
    """The daily Moselle files carry longitude and latitude of each cell, which are no drivers; their CRS is given."""
    path = real_data("grid_moselle_multidriver/original/pre.nc")
    with pytest.raises(GridError, match=r"pre\.nc' \(pre\): it has no CRS$") as caught:
        open_drivers(path)
    assert "crs" in caught.value.hint
    ds = open_drivers(path, crs="EPSG:3035")
    assert list(ds.data_vars) == ["precip"] and ds.attrs["time_step"] == "day"


def test_packed_grids(real_data):
    """Gzipped ASCII grids are read as they lie there, classes too."""
    folder = real_data("grid_moselle_multidriver/original")
    ds = open_drivers([folder / "dem.asc.gz", folder / "slope.asc.gz"], crs="EPSG:3035")
    assert (ds.sizes["y"], ds.sizes["x"]) == (432, 288)
    assert 150 < float(ds["elevation"].min()) < float(ds["elevation"].max()) < 1400


def test_zips(tmp_path):
    """A zip of dated rasters is read; one with a path that climbs is refused, one without rasters told."""
    for label in months("2001-01", 3):
        save(tmp_path / "in" / f"ta_{label}.tif", field(1, grid()), grid())
    with zipfile.ZipFile(tmp_path / "ta.zip", "w") as archive:
        for path in sorted((tmp_path / "in").glob("*.tif")):
            archive.write(path, f"data/{path.name}")
    assert open_drivers(tmp_path / "ta.zip")["ta"].sizes["time"] == 3
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../ta.tif", b"x")
    with pytest.raises(SchemaError, match="climbs out"):
        open_drivers(tmp_path / "bad.zip")
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as archive:
        archive.writestr("readme.txt", b"x")
    with pytest.raises(SchemaError, match=r"no raster or NetCDF file, only readme\.txt"):
        open_drivers(tmp_path / "text.zip")
