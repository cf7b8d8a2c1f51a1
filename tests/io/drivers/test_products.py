"""Climate, soil and terrain products as downloaded, written to their published descriptions."""

from __future__ import annotations

import gzip
import shutil
import zipfile

import numpy as np
import pytest
import xarray as xr

from climate import axis, days_since, month_middles, write
from rasters import field, grid, months, save
from reco_core.catalogue import get_step
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.drivers.products import PRODUCTS, recognise
from reco_core.io.rasters.grid import Grid
from reco_core.vocabulary import variable

LAT, LON = axis(-4.75, 20, 0.5), axis(0.25, 12, 0.5)  # northwards, as CRU TS and SPEIbase store it
RNG = np.random.default_rng(0)


def random(low, high, count=24, shape=(20, 12)):
    return RNG.uniform(low, high, (count, *shape)).astype("float32")


def cru(folder, name, unit, values, first="2001-01"):
    """Write a file of CRU TS 4."""
    times = days_since("1900-01-01", month_middles(first, len(values)))
    years = first[:4], str(np.datetime64(first, "M") + len(values) - 1)[:4]
    return write(folder / f"cru_ts4.05.{years[0]}.{years[1]}.{name}.dat.nc", {
        name: (values, {"units": unit, "_FillValue": 9.96921e36, "correlation_decay_distance": 450.0}),
        "stn": (np.ones(values.shape, "int32"), {"dtype": "i4"})},
        lat=LAT, lon=LON, times=times, attrs={"title": "CRU TS4.05 Precipitation"})


def test_every_choice_has_a_profile():
    """The products that users choose from are those that there are, and their drivers have names RECO accepts."""
    product = next(param for param in get_step("read_drivers").params if param.name == "product")
    assert set(product.choices) == {"auto", "none", *PRODUCTS}
    for known in PRODUCTS.values():
        for one in known.fields:
            variable(one.driver.format(10))
    with pytest.raises(ConfigError, match="no product 'nasa'"):
        recognise("nasa", "x")


@pytest.mark.parametrize(("stem", "names", "product"), [
    ("ta", (), None), ("soc_0", (), None), ("clay", (), None), ("spei", (), None), ("pre_2001", ("pre",), None),
    ("soc_0-5cm_mean", (), "soilgrids"), ("bdod_5-15cm_mean_1000", (), "soilgrids"), ("N48E006", (), "srtm"),
    ("soc_0-5cm_uncertainty", (), None), ("n45e005_dem", (), "merit"), ("spei03", ("spei",), "speibase"),
    ("TerraClimate_ppt_2010", ("ppt",), "terraclimate"), ("hwsd", (), "hwsd"),
    ("cru_ts4.07.1901.2022.tmn.dat", ("tmn", "stn"), "cru_ts"), ("era5_land_monthly", ("t2m",), "era5_land"),
    ("sol_organic.carbon_usda.6a1c_m_250m_b30..30cm_1950..2017_v0.2", (), "openlandmap")])
def test_recognition_by_name(stem, names, product):
    """Names that products have are told from names that anything may have."""
    found = recognise("auto", stem, names=names)
    assert (found.name if found else None) == product
    assert recognise("none", stem, names=names) is None


def test_cru_ts(tmp_path):
    """Totals per month become rates, rows run southwards, stations are no driver, and gzip needs no hand."""
    tmp, pre = random(-20, 35), random(0, 400)
    pre[:, 3, 4] = 9.96921e36
    paths = [cru(tmp_path, "tmp", "degrees Celsius", tmp), cru(tmp_path, "pre", "mm/month", pre)]
    with open(paths[1], "rb") as raw, gzip.open(paths[1] + ".gz", "wb") as packed:
        shutil.copyfileobj(raw, packed)
    ds = open_drivers([paths[0], paths[1] + ".gz"])
    assert list(ds.data_vars) == ["ta", "precip"] and ds.attrs["time_step"] == "month"
    assert np.array_equal(ds["ta"].values, tmp[:, ::-1])
    assert ds["precip"].values[1] == pytest.approx(np.where(pre[1] < 1e30, pre[1], np.nan)[::-1] / 28, rel=1e-5,
                                                   nan_ok=True)
    assert np.isnan(ds["precip"].values[:, 16, 4]).all()
    assert f"{paths[0].rsplit('/', 1)[1]} (tmp): CRU TS, 'ta' in degC" in ds.attrs["notes"]


def test_files_that_follow_each_other(tmp_path):
    """Decades of one variable are one series in order of time; a decade given twice is named."""
    values = random(0, 400, 48)
    late = cru(tmp_path, "pre", "mm/month", values[24:], "2003-01")
    early = cru(tmp_path, "pre", "mm/month", values[:24])
    ds = open_drivers([late, early])
    assert str(ds["time"].values[0])[:7] == "2001-01" and ds.sizes["time"] == 48
    assert ds["precip"].isel(time=slice(22, 26)).values == pytest.approx(
        values[22:26, ::-1] / np.array([30, 31, 31, 28]).reshape(-1, 1, 1), rel=1e-5)
    assert "joined from 2 files" in ds.attrs["notes"] and "are missing at" not in ds.attrs["notes"]
    again = cru(tmp_path / "again", "pre", "mm/month", values[12:36], "2002-01")
    with pytest.raises(SchemaError, match="given twice for 2002-01-01"):
        open_drivers([early, again])
    ds = open_drivers([early, cru(tmp_path, "pre", "mm/month", values[24:], "2005-01")])
    assert "time steps are missing at 1 places between 2001-01" in ds.attrs["notes"]


def test_mixed_resolutions_in_time(tmp_path):
    """Files of one driver on other cells are refused by name."""
    early = cru(tmp_path, "pre", "mm/month", random(0, 9))
    values = random(0, 9, 12, (10, 6))
    late = write(tmp_path / "late.nc", {"pre": (values, {"units": "mm/month"})}, lat=axis(-4.5, 10, 1.0),
                 lon=axis(0.5, 6, 1.0), times=days_since("1900-01-01", month_middles("2003-01", 12)))
    with pytest.raises(GridError, match=r"late\.nc.*cells of 1 x 1 instead of 0.5 x 0.5"):
        open_drivers([early, late])


def era5(path, values, unit, name, *, cell=0.25, new=True, packed=False, dims=None, extra=None):
    """Write monthly means as the old or the new climate data store gives them, longitudes from 0 to 360."""
    lat, lon = axis(10.0, values.shape[-2], -cell), axis(358.0, values.shape[-1], cell)
    times = np.datetime64("2001-01", "M") + np.arange(len(values))
    own = {"units": unit, **({"dims": dims} if dims else {})}
    if packed:
        scale, offset = 0.002, 280.0
        values = np.where(np.isnan(values), -32767, np.round((values - offset) / scale)).astype("int16")
        own |= {"dtype": "i2", "scale_factor": scale, "add_offset": offset, "_FillValue": np.int16(-32767)}
    seconds = times.astype("datetime64[s]").astype("int64") if new else days_since("1900-01-01", times) * 24
    return write(path, {name: (values, own)}, lat=lat, lon=lon, times=seconds,
                 time_units="seconds since 1970-01-01" if new else "hours since 1900-01-01 00:00:0.0",
                 time_name="valid_time" if new else "time", names=("latitude", "longitude"), extra=extra,
                 form="NETCDF4" if new else "NETCDF3_64BIT_OFFSET",
                 attrs={"GRIB_centre": "ecmf"} if new else {"history": "2021-01-01 by grib_to_netcdf-2.16.0"})


def test_era5_monthly_means(tmp_path):
    """K, metres per day, joules per day and evaporation counted upwards become what RECO means."""
    shape = (9, 16)
    files = {"t2m": ("K", 250, 310), "tp": ("m", 0, 0.02), "ssrd": ("J m**-2", 0, 3e7),
             "e": ("m of water equivalent", -0.006, 0), "swvl1": ("m**3 m**-3", 0, 0.5), "d2m": ("K", 250, 300),
             "sp": ("Pa", 6e4, 1.05e5)}
    truth = {name: random(low, high, 12, shape) for name, (_, low, high) in files.items()}
    paths = [era5(tmp_path / f"{name}.nc", truth[name], unit, name) for name, (unit, _, _) in files.items()]
    ds = open_drivers(paths)
    assert list(ds.data_vars) == ["ta", "precip", "sw_in", "et", "swc", "dew_point", "pa"]
    assert ds["x"].values[0] == -2 and (np.diff(ds["x"].values) > 0).all()
    for driver, name, factor, offset in (("ta", "t2m", 1, -273.15), ("precip", "tp", 1000, 0), ("et", "e", -1000, 0),
                                         ("sw_in", "ssrd", 1 / 86400, 0), ("swc", "swvl1", 100, 0),
                                         ("dew_point", "d2m", 1, -273.15), ("pa", "sp", 1e-3, 0)):
        assert ds[driver].values == pytest.approx(truth[name] * factor + offset, rel=1e-5, abs=1e-4), driver
    assert "tp.nc (tp): ERA5, 'precip' in m d-1, taken as the amount of a day" in ds.attrs["notes"]
    assert "'et' in m d-1, sign turned" in ds.attrs["notes"]
    with pytest.raises(SchemaError, match="unit 'm' of 'tp'"):
        open_drivers(paths[1], product="none")


def test_era5_packed_and_land(tmp_path):
    """Classic files with packed values; cells of 0.1 degrees are ERA5-Land."""
    values = random(250, 310, 12, (9, 16))
    values[:, 0, 0] = np.nan
    ds = open_drivers(era5(tmp_path / "download.nc", values, "K", "t2m", cell=0.1, new=False, packed=True))
    assert ds["ta"].values == pytest.approx(values - 273.15, abs=0.002, nan_ok=True)
    assert "ERA5-Land, 'ta' in K" in ds.attrs["notes"]


def test_era5_of_the_new_store(tmp_path):
    """A zip with text for the experiment of each month, a member number, and months dated six o'clock."""
    values = random(0, 0.02, 12, (9, 16))
    times = (np.datetime64("2001-01", "M") + np.arange(12)).astype("datetime64[ns]") + np.timedelta64(6, "h")
    xr.Dataset({"tp": (("valid_time", "latitude", "longitude"), values, {"units": "m"})}, coords={
        "valid_time": times, "latitude": axis(10, 9, -0.25), "longitude": axis(0, 16, 0.25), "number": 0,
        "expver": ("valid_time", ["0001"] * 10 + ["0005"] * 2)}, attrs={"GRIB_centre": "ecmf"}).to_netcdf(
            tmp_path / "data_stream-moda_stepType-avgad.nc")
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as archive:
        archive.write(tmp_path / "data_stream-moda_stepType-avgad.nc", "data_stream-moda_stepType-avgad.nc")
    ds = open_drivers(tmp_path / "download.zip")
    assert list(ds.data_vars) == ["precip"] and ds.attrs["time_step"] == "month"
    assert ds["precip"].values == pytest.approx(values * 1000, rel=1e-5)


def test_era5_preliminary_values(tmp_path):
    """Where final and preliminary data stand side by side, each month has the one that is there."""
    values = random(250, 310, 12, (9, 16))
    both = np.full((12, 2, 9, 16), np.nan, "float32")
    both[:9, 0], both[9:, 1] = values[:9], values[9:]
    path = era5(tmp_path / "era5.nc", both, "K", "t2m", new=False, extra={"expver": [1, 5]},
                dims=("time", "expver", "latitude", "longitude"))
    assert open_drivers(path)["ta"].values == pytest.approx(values - 273.15, abs=1e-4)


def test_a_file_per_month(tmp_path):
    """Files of one date each are one series, whatever their order; a month that lacks is told."""
    values = random(250, 310, 5, (9, 16))
    for i, month in enumerate(["2001-11", "2001-12", "2002-01", "2002-02", "2002-03"]):
        write(tmp_path / f"era5_{5 - i}.nc", {"t2m": (values[i:i + 1], {"units": "K"})}, lat=axis(10, 9, -0.25),
              lon=axis(358, 16, 0.25), times=days_since("1900-01-01", [f"{month}-01"]), attrs={"GRIB_centre": "ecmf"})
    ds = open_drivers(tmp_path)
    assert ds.attrs["time_step"] == "month" and str(ds["time"].values[0])[:7] == "2001-11"
    assert ds["ta"].values == pytest.approx(values - 273.15, abs=1e-4)
    (tmp_path / "era5_3.nc").unlink()
    assert "missing at 1 places" in open_drivers(tmp_path).attrs["notes"]


def test_terraclimate(tmp_path):
    """A file per year and variable, packed; integers without their scale factor are refused."""
    truth = {"ppt": random(0, 900), "tmax": random(-30, 45), "vpd": random(0, 5)}
    factors = {"ppt": ("mm", 0.1, 0.0), "tmax": ("degC", 0.01, -99.0), "vpd": ("kPa", 0.01, 0.0)}
    for name, (unit, scale, offset) in factors.items():
        for year in (2001, 2002):
            values = np.round((truth[name][12 * (year - 2001):][:12] - offset) / scale)
            write(tmp_path / f"TerraClimate_{name}_{year}.nc", {name: (values, {
                "dtype": "i4" if name == "ppt" else "i2", "units": unit, "scale_factor": scale, "add_offset": offset,
                "_FillValue": -32768})}, lat=LAT[::-1], lon=LON, times=days_since("1900-01-01", [
                    f"{year}-{month:02d}-01" for month in range(1, 13)]))
    ds = open_drivers(tmp_path)
    assert set(ds.data_vars) == {"precip", "tmax", "vpd"} and ds.sizes["time"] == 24
    assert ds["tmax"].values == pytest.approx(truth["tmax"], abs=0.006)
    assert ds["vpd"].values == pytest.approx(10 * truth["vpd"], abs=0.06)
    assert ds["precip"].values[13] == pytest.approx(truth["ppt"][13] / 28, abs=0.003)
    bare = write(tmp_path / "bare" / "TerraClimate_tmax_2003.nc", {"tmax": (np.full((12, 20, 12), 12000), {
        "dtype": "i2", "units": "degC"})}, lat=LAT, lon=LON, times=np.arange(12) * 31)
    with pytest.raises(SchemaError, match=r"TerraClimate_tmax_2003\.nc.*states no scale_factor") as caught:
        open_drivers(bare)
    assert "product=none" in caught.value.hint


def test_terraclimate_of_earth_engine(tmp_path):
    """Exports of Earth Engine are integers that need the factors of the catalogue."""
    path = save(tmp_path / "TerraClimate_tmmx.tif", np.full((2, 8, 10), 253), grid(), names=["2001-01", "2001-02"],
                dtype="int16", nodata=-32768)
    ds = open_drivers(path)
    assert list(ds.data_vars) == ["tmax"] and ds["tmax"].values == pytest.approx(25.3, rel=1e-6)
    assert "stored values x 0.1" in ds.attrs["notes"]


def test_speibase(tmp_path):
    """The scale stands in the name of the file, and sea is 1e30."""
    values = random(-2, 2)
    stored = values.copy()
    stored[:, 0] = 1e30
    values[:, 0] = np.nan
    for scale in ("12", "36"):
        write(tmp_path / f"spei{scale}.nc", {"spei": (stored, {"units": "z-values", "dtype": "f8"})}, lat=LAT, lon=LON,
              times=days_since("1900-01-01", month_middles("2001-01", 24)))
    ds = open_drivers(tmp_path)
    assert list(ds.data_vars) == ["spei_12", "spei_36"] and ds["spei_12"].attrs["units"] == "1"
    assert ds["spei_36"].values == pytest.approx(values[:, ::-1], abs=1e-6, nan_ok=True)


def test_soilgrids(tmp_path):
    """Integers become conventional units by the factor of each property; depths stand in the names."""
    stored = {"soc_0-5cm_mean": 423, "soc_15-30cm_mean": 120, "bdod_0-5cm_mean": 131, "cfvo_0-5cm_mean": 85,
              "clay_0-5cm_mean": 257, "silt_0-5cm_mean": 400, "sand_0-5cm_mean": 343, "ORCDRC_M_sl2_250m": 33}
    for name, value in stored.items():
        values = np.full((8, 10), value)
        values[0, 0] = -32768
        save(tmp_path / f"{name}.tif", values, grid(), dtype="int16")
    ds = open_drivers(tmp_path)
    wanted = {"soc_0": (42.3, "g kg-1"), "soc_15": (12.0, "g kg-1"), "soc_5": (33, "g kg-1"),
              "bulk_density": (1310, "kg m-3"), "gravel": (8.5, "%"), "clay": (25.7, "%"), "silt": (40, "%"),
              "sand": (34.3, "%")}
    assert set(ds.data_vars) == set(wanted) and "time" not in ds.dims
    for name, (value, unit) in wanted.items():
        assert ds[name].attrs["units"] == unit
        assert ds[name].values[1:] == pytest.approx(value, rel=1e-6) and np.isnan(ds[name].values[0, 0]), name
    assert "clay_0-5cm_mean.tif: SoilGrids, 'clay' in %, stored values x 0.1" in ds.attrs["notes"]
    assert float(open_drivers(tmp_path / "clay_0-5cm_mean.tif", variables={"clay_0-5cm_mean": "topclay"},
                              product="none")["topclay"].max()) == 257


def test_fractional_numbers_are_scaled_only_where_asked(tmp_path):
    """Numbers with fractions may be scaled already: auto leaves them, naming the product scales them."""
    path = save(tmp_path / "clay_0-5cm_mean.tif", field(1, grid(), low=10, high=40), grid())
    ds = open_drivers(path)
    assert np.array_equal(ds["clay"].values, field(1, grid(), low=10, high=40)[0])
    assert "taken as scaled already" in ds.attrs["notes"]
    asked = open_drivers(path, product="soilgrids")
    assert asked["clay"].values == pytest.approx(field(1, grid(), low=1, high=4)[0], rel=1e-5)


def test_openlandmap(tmp_path):
    """Steps of 5 g kg-1, in a file per depth or as bands of an export."""
    stems = {0: 12, 10: 8, 30: 3}
    for depth, value in stems.items():
        values = np.full((8, 10), value)
        values[0, 0] = 255
        save(tmp_path / f"sol_organic.carbon_usda.6a1c_m_250m_b{depth}..{depth}cm_1950..2017_v0.2.tif", values, grid(),
             dtype="uint8")
    ds = open_drivers(tmp_path)
    assert {name: float(ds[name].max()) for name in ds.data_vars} == {"soc_0": 60, "soc_10": 40, "soc_30": 15}
    assert np.isnan(ds["soc_30"].values[0, 0])
    export = save(tmp_path / "ee" / "soc.tif", np.stack([np.full((8, 10), v) for v in stems.values()]), grid(),
                  names=["b0", "b10", "b30"], dtype="uint8")
    with pytest.raises(SchemaError, match="neither dates nor names"):
        open_drivers(export)
    assert {name: float(part.max()) for name, part in open_drivers(export, product="openlandmap").items()} == {
        "soc_0": 60, "soc_10": 40, "soc_30": 15}


@pytest.mark.parametrize("ending", ["asc", "flt"])
def test_stacks_of_interpolated_climate(tmp_path, ending):
    """Dated grids in plain formats: their CRS is given, and tenths are told from numbers by the product."""
    on, truth = grid(), np.round(field(12, grid(), low=-20, high=30) * 10)
    for i, label in enumerate(months("2001-01", 12)):
        path = tmp_path / f"tem{label.replace('-', '')}.{ending}"
        if ending == "asc":
            rows = "\n".join(" ".join(f"{value:g}" for value in row) for row in truth[i])
            path.write_text(f"ncols 10\nnrows 8\nxllcorner 0\nyllcorner 46\ncellsize 0.5\nNODATA_value -9999\n{rows}\n")
        else:
            truth[i].astype("<f4").tofile(path)
            path.with_suffix(".hdr").write_text("ncols 10\nnrows 8\nxllcorner 0\nyllcorner 46\ncellsize 0.5\n"
                                                "NODATA_value -9999\nbyteorder LSBFIRST\n")
    with pytest.raises(GridError, match="has no CRS") as caught:
        open_drivers(tmp_path, product="anusplin")
    assert ".prj" in caught.value.hint
    ds = open_drivers(tmp_path, product="anusplin", crs="EPSG:4326")
    assert ds["ta"].values == pytest.approx(truth / 10, abs=1e-4) and ds.attrs["time_step"] == "month"
    assert Grid.of(ds).transform == on.transform and "stored integers are tenths" in ds.attrs["notes"]
    other = open_drivers(tmp_path, crs="EPSG:4326", units={"ta": "0.1 degC"})
    assert other["ta"].values == pytest.approx(truth / 10, abs=1e-4)
