"""Drivers from NetCDF files as they are found: any order, direction, calendar and way to state the CRS."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from rasters import WGS84, field, grid, save
from reco_core.errors import GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.rasters import arrays as raster_arrays
from reco_core.io.rasters.cf_crs import crs_of
from reco_core.io.rasters.grid import Grid, crs_name

ON = grid(6, 12, cell=1.0)


def dataset(values=None, *, times=None, units="days since 2001-01-01", calendar="standard",
            names=("time", "lat", "lon")):
    """Return a CF dataset with times as numbers."""
    values = field(3, ON) if values is None else values
    x, y = ON.xy()
    times = np.array([15, 45, 74]) if times is None else np.asarray(times)
    ds = xr.Dataset({"tas": (names, values, {"units": "degC"})},
                    coords={names[0]: (names[0], times, {"units": units, "calendar": calendar}),
                            names[1]: y[:values.shape[1]], names[2]: x[:values.shape[2]]})
    return ds


def saved(ds, path, **options):
    ds.to_netcdf(path, engine="netcdf4", **options)
    return str(path)


def test_moselle(real_data):
    """Monthly means and static layers of a real file pair: names, units, dates and CRS from a global attribute."""
    folder = real_data("grid_moselle_multidriver")
    ds = open_drivers([folder / "moselle_monthly_24km_1989_1993.nc", folder / "moselle_static_24km.nc"])
    assert {"ta", "precip", "vpd", "net_rad", "wind", "ea", "pet", "elevation", "frac_forest"} <= set(ds.data_vars)
    assert "lai_class_month" not in ds
    assert crs_name(Grid.of(ds).crs_wkt) == "EPSG:3035" and Grid.of(ds).transform[0] == 24000
    assert (ds.sizes["time"], ds.attrs["time_step"], str(ds["time"].values[0])[:10]) == (60, "month", "1989-01-01")
    raw = xr.open_dataset(folder / "moselle_monthly_24km_1989_1993.nc")
    assert ds["ea"].values == pytest.approx(raw["eabs"].values / 100, rel=1e-6, nan_ok=True)
    assert np.array_equal(ds["ta"].values, raw["tavg"].values, equal_nan=True)
    assert ds["elevation"].dims == ("y", "x") and "'elevation' has no unit" in ds.attrs["notes"]


def test_moselle_climatology_is_repeated(real_data):
    """Twelve months of leaf area, once mapped, are repeated every year."""
    folder = real_data("grid_moselle_multidriver")
    monthly, static = folder / "moselle_monthly_24km_1989_1993.nc", folder / "moselle_static_24km.nc"
    lai = open_drivers([monthly, static], variables={"lai_class_month": "lai"})["lai"]
    raw = xr.open_dataset(static)["lai_class_month"].values
    assert lai.dims == ("time", "y", "x")
    assert np.array_equal(lai.values, np.tile(raw, (5, 1, 1)), equal_nan=True)
    assert np.array_equal(lai.isel(time=25).values, raw[1], equal_nan=True)
    with pytest.raises(GridError, match="'lai' is a climatology"):
        open_drivers(static, variables={"lai_class_month": "lai"}, require=["lai"])


def test_conus_annual(real_data):
    """Annual layers with latitudes that ascend and millimetres per year."""
    path = real_data("grid_conus_annual_t_p/indicators.nc")
    ds = open_drivers(path)
    raw = xr.open_dataset(path, decode_times=False)
    assert (ds.attrs["time_step"], str(ds["time"].values[0])[:10], ds.sizes["time"]) == ("year", "1950-01-01", 50)
    assert ds["y"].values[0] > ds["y"].values[-1]
    assert np.array_equal(ds["ta"].values, raw["meantemp"].values[:, ::-1], equal_nan=True)
    leap = ds["precip"].sel(time="1952").values[0]
    assert leap == pytest.approx(raw["totalpr"].values[2, ::-1] / 366, rel=1e-5, nan_ok=True)
    assert crs_name(Grid.of(ds).crs_wkt) == "EPSG:4326"


@pytest.mark.parametrize(("name", "crs", "count"), [
    ("grid_ndvi_evi_timeseries/modis_mod13a3_ndvi_belgium_utm31.nc", "EPSG:32631", 113),
    ("grid_ndvi_evi_timeseries/gimms_ndvi_brooksrange.nc", "EPSG:4326", 360),
    ("grid_gpcp_australia_monthly/gpcp_australia.nc", "", 348)])
def test_more_real_stacks(real_data, name, crs, count):
    """The CRS comes from the grid mapping, and every month has its layer."""
    ds = open_drivers(real_data(name))
    assert (ds.attrs["time_step"], ds.sizes["time"]) == ("month", count)
    assert ("are missing at" in ds.attrs.get("notes", "")) == (count == 113)
    assert not crs or crs_name(Grid.of(ds).crs_wkt) == crs
    assert np.isfinite(ds[next(iter(ds.data_vars))].isel(time=5).values).any()


def test_original_raster_of_r(real_data):
    """A GeoTIFF whose layer names carry dates has 16-day steps; its stored numbers are ten thousandths."""
    folder = real_data("grid_ndvi_evi_timeseries")
    ds = open_drivers(folder / "original" / "modisraster.tif", variables={"modisraster": "ndvi"},
                      units={"ndvi": "1e-4"})
    assert (ds.attrs["time_step"], ds.sizes["time"]) == ("16day", 275)
    other = open_drivers(folder / "modis_ndvi_somalia.nc")
    np.testing.assert_allclose(ds["ndvi"].values, other["ndvi"].values, atol=1e-6)


def test_uneven_coordinates_and_stations_are_refused(real_data):
    """A file whose last column is nearer, and one of five cities, are no grids."""
    with pytest.raises(GridError, match=r"'lat' is not evenly spaced: -41.125 to -43.5|'lon' is not evenly spaced"):
        open_drivers(real_data("grid_australia_ndvi_precip_monthly/australia_ndvi_precip_c4.nc"))
    with pytest.raises(SchemaError, match=r"no regular grid: its dimensions are location \(5\), time"):
        open_drivers(real_data("grid_era5_cities_daily/daily_surface_cancities_1990-1993.nc"))


def test_opening_reads_no_values(tmp_path, monkeypatch):
    """Only the box that is asked for is read."""
    seen = []
    original = raster_arrays.VariableReader.read
    monkeypatch.setattr(raster_arrays.VariableReader, "read",
                        lambda self, key: (seen.append(key), original(self, key))[1])
    ds = open_drivers(saved(dataset(), tmp_path / "a.nc"), region="2,46,5,49")
    assert seen == []
    assert ds["ta"].isel(time=0, y=1, x=1).values == field(3, ON)[0, 2, 3]
    assert seen == [(slice(0, 1), slice(2, 3), slice(3, 4))]


def test_dimensions_in_any_order_and_direction(tmp_path):
    """(lon, lat, time), south first and with a level of length one is the same grid."""
    odd = dataset().isel(lat=slice(None, None, -1)).expand_dims(height=[2.0]).transpose("lon", "height", "lat", "time")
    ds = open_drivers(saved(odd, tmp_path / "a.nc"))
    assert np.array_equal(ds["ta"].values, field(3, ON))
    assert Grid.of(ds).transform == ON.transform


def test_longitudes_beyond_180(tmp_path):
    """A globe counted from 0 to 360 is turned, a western part is shifted."""
    values = field(3, ON)
    globe = dataset(values).assign_coords(lon=15.0 + 30 * np.arange(12), lat=25.0 - 10 * np.arange(6))
    ds = open_drivers(saved(globe, tmp_path / "a.nc"))
    assert ds["x"].values[[0, 11]].tolist() == [-165, 165]
    assert np.array_equal(ds["ta"].values, np.roll(values, 6, axis=2))
    west = dataset(values).assign_coords(lon=230.5 + np.arange(12))
    assert open_drivers(saved(west, tmp_path / "b.nc"))["x"].values[0] == -129.5


@pytest.mark.parametrize(("units", "calendar", "times", "expected"), [
    ("days since 2001-01-15", "noleap", [0, 31, 59], "2001-03-01"),
    ("days since 2000-02-01", "360_day", [29, 59, 89], "2000-04-01"),
    ("months since 2000-01-01", "standard", [1, 2, 3], "2000-04-01"),
    ("hours since 1900-01-01", "standard", [876576, 877320, 878016], "2000-03-01"),
    ("years since 1999-01-01", "standard", [1, 2, 3], "2002-01-01"),
    ("seconds since 1970-01-01", "proleptic_gregorian", [0, 86400, 172800], "1970-01-03")])
def test_calendars(tmp_path, units, calendar, times, expected):
    """Any CF time becomes the first day of its step."""
    ds = open_drivers(saved(dataset(times=times, units=units, calendar=calendar), tmp_path / "a.nc"))
    assert str(ds["time"].values[-1])[:10] == expected


def test_packed_values_and_missing(tmp_path):
    """Scale, offset and fill value are undone; 0 stays data."""
    values = np.zeros((3, 6, 12), "float32")
    values[0, 0, :2] = [np.nan, -5.25]
    path = saved(dataset(values), tmp_path / "a.nc", encoding={
        "tas": {"dtype": "int16", "scale_factor": 0.25, "add_offset": 10.0, "_FillValue": -32768}})
    assert np.array_equal(open_drivers(path)["ta"].values, values, equal_nan=True)


def test_one_variable_in_the_words_of_gdal(tmp_path):
    """NETCDF:"file":variable, as QGIS names such layers, takes one variable."""
    ds = dataset()
    ds["warm"] = ds["tas"].assign_attrs(units="K") + 273.15
    path = saved(ds, tmp_path / "a.nc")
    assert list(open_drivers(layers=[f'NETCDF:"{path}":warm'], layer_names=["ts"]).data_vars) == ["ts"]
    with pytest.raises(SchemaError, match="no variable 'rain'"):
        open_drivers(layers=[f'NETCDF:"{path}":rain'])
    with pytest.raises(SchemaError, match="2 variables and one name"):
        open_drivers(layers=[path], layer_names=["ta"])


def test_rasters_and_netcdf_together(tmp_path):
    """Sources of different kinds are one dataset where they share a grid, whatever rounding says."""
    netcdf = dataset().assign_coords(lon=ON.xy()[0].astype("float32"), lat=ON.xy()[1].astype("float32"))
    soil = save(tmp_path / "soc_0.tif", field(1, ON, low=0, high=50), ON)
    ds = open_drivers([saved(netcdf, tmp_path / "a.nc"), soil])
    assert set(ds.data_vars) == {"ta", "soc_0"}


def test_what_a_file_must_have(tmp_path):
    """A CRS, gridded numbers and dates; each lack is named with the file."""
    plain = dataset(names=("time", "y", "x"))
    with pytest.raises(GridError, match=r"a\.nc' \(tas\): it has no CRS"):
        open_drivers(saved(plain, tmp_path / "a.nc"))
    undated = dataset(units="1")
    path = saved(undated, tmp_path / "b.nc")
    with pytest.raises(GridError, match=r"b\.nc': its time axis 'time' has no dates"):
        open_drivers(path)
    assert str(open_drivers(path, start="2001-05")["time"].values[2])[:7] == "2001-07"
    words = xr.Dataset({"name": (("lat", "lon"), np.full((2, 2), "a"))}, {"lat": [2.0, 1.0], "lon": [1.0, 2.0]})
    with pytest.raises(SchemaError, match=r"c\.nc' has no numeric variable"):
        open_drivers(saved(words, tmp_path / "c.nc"))
    (tmp_path / "d.nc").write_text("not NetCDF")
    with pytest.raises(SchemaError, match=r"d\.nc"):
        open_drivers(tmp_path / "d.nc")


@pytest.mark.parametrize(("mapping", "general", "expected"), [
    ({"spatial_ref": WGS84}, {}, "EPSG:4326"), ({"crs_wkt": "garbage", "epsg_code": "EPSG:3035"}, {}, "EPSG:3035"),
    ({}, {"crs": "EPSG:3035 (cell centres)"}, "EPSG:3035"),
    ({}, {"proj4": "+proj=utm +zone=31 +datum=WGS84"}, "EPSG:32631"),
    ({"grid_mapping_name": "latitude_longitude"}, {}, "EPSG:4326"),
    ({"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563},
     {}, "EPSG:4326"),
    ({}, {"comment": "projection is urn:ogc:def:crs:EPSG::3035"}, "EPSG:3035"),
    ({}, {"comment": "warped from EPSG:4326 to EPSG:3035"}, ""), ({}, {"title": "EPSG stands here"}, "")])
def test_ways_to_state_a_crs(mapping, general, expected):
    """WKT, PROJ, an EPSG code in any attribute, or CF parameters."""
    found = crs_of(mapping, general, geographic=False)
    assert (crs_name(found) if found else "") == expected


def test_cf_parameters():
    """An azimuthal projection given by CF parameters alone puts places where its EPSG code does."""
    cf = {"grid_mapping_name": "lambert_azimuthal_equal_area", "latitude_of_projection_origin": 52.0,
          "longitude_of_projection_origin": 10.0, "false_easting": 4321000.0, "false_northing": 3210000.0,
          "semi_major_axis": 6378137.0, "inverse_flattening": 298.257222101}
    rows = [Grid(crs, (1000, 0, 4e6, 0, -1000, 3e6), 9, 9).locate([5.6], [49.4]) for crs in (
        crs_of(cf, {}, False), crs_of({}, {"crs": "EPSG:3035"}, False))]
    assert rows[0] == rows[1]
