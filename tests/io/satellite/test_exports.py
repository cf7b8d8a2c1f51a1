"""Exports of AppEEARS, Earth Engine and others: their layers, dates and packing."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest

from modis import TILE
from rasters import grid, save
from reco_core.drivers import qa
from reco_core.errors import GridError, SchemaError
from reco_core.io.rasters.grid import Grid
from reco_core.io.satellite.cube import Screening, satellite_dataset
from reco_core.io.satellite.files import find_scenes
from reco_core.io.satellite.scene import sinusoidal_wkt

ON = grid(4, 5, left=10.0, top=48.0, cell=0.005)
NDVI = np.arange(20).reshape(4, 5) * 100 + 3000


@pytest.fixture
def read(tmp_path):
    """A function from a path to the lazy dataset."""
    folder = tmp_path / "unpacked"
    folder.mkdir()

    def call(path, product="auto", level="none", **options):
        found = find_scenes([path], product, folder)
        rule = qa.rule(found.product.rule, level)
        screening = rule and Screening(lambda driver, layers: rule.keep(driver, layers, level),
                                       rule.without.get(level, ()))
        return satellite_dataset(found, screening=screening, **options)[0]

    return call


def test_appeears_rasters(tmp_path, read):
    """A file per layer and date; quality lies beside; the scale is that of the product."""
    reliability, detail = np.zeros((4, 5), "int8"), np.zeros((4, 5), "uint16")
    reliability[0], reliability[1] = 1, 3
    detail[0, :2] = 9 << 2, 8 << 2  # usefulness 9 and 8
    for day in ("2016001000000", "2016017000000"):
        for layer, values, nodata in (("NDVI", NDVI.astype("int16"), -3000), ("VI_Quality", detail, 65535),
                                      ("pixel_reliability", reliability, -1)):
            save(tmp_path / f"MOD13A1.061__500m_16_days_{layer}_doy{day}_aid0001.tif", values, ON, nodata=nodata)
    (tmp_path / "MOD13A1-061-Statistics.csv").write_text("a,b")
    ds = read(tmp_path, level="standard")
    assert ds.attrs["time_step"] == "16day" and dict(ds.sizes) == {"time": 2, "y": 4, "x": 5}
    ndvi = ds["ndvi"].values[1]
    assert np.isnan(ndvi).tolist() == [[True, False, False, False, False], [True] * 5, [False] * 5, [False] * 5]
    assert ndvi[2:] == pytest.approx(NDVI[2:] * 1e-4)
    assert np.isnan(read(tmp_path, level="strict")["ndvi"].values[1, :2]).all()
    for file in tmp_path.glob("*VI_Quality*"):
        file.unlink()
    assert np.isfinite(read(tmp_path, level="strict")["ndvi"].values[1, 2:]).all()
    with pytest.raises(SchemaError, match="500m_16_days_vi_quality") as caught:
        read(tmp_path, level="standard")
    assert "quality=strict" in caught.value.hint and "quality=none" in caught.value.hint


def appeears_netcdf(path, native):
    """Write a NetCDF file as AppEEARS does, geographic or on the native sinusoidal grid."""
    y, x = ("ydim", "xdim") if native else ("lat", "lon")
    cell = TILE / 2400 if native else 0.005
    left, top = (3 * cell, 11077 * cell) if native else (10.0, 48.0)
    with netCDF4.Dataset(path, "w") as file:
        file.title = "MOD11A2.061 for aid0001"
        for name, size in (("time", 3), (y, 4), (x, 5)):
            file.createDimension(name, size)
        time = file.createVariable("time", "i4", ("time",))
        time.setncatts({"units": "days since 2000-01-01 00:00:00", "calendar": "julian"})
        time[:] = [5844, 5852, 5860]
        for name, first, step, word in ((y, top, -cell, "y"), (x, left, cell, "x")):
            axis = file.createVariable(name, "f8", (name,))
            known = {"y": "latitude", "x": "longitude"}[word]
            axis.standard_name = f"projection_{word}_coordinate" if native else known
            axis.units = "m" if native else {"y": "degrees_north", "x": "degrees_east"}[word]
            axis[:] = first + (np.arange(len(axis)) + 0.5) * step
        crs = file.createVariable("crs", "i1", ())
        if native:
            crs.setncatts({"grid_mapping_name": "sinusoidal", "longitude_of_central_meridian": 0.0,
                           "false_easting": 0.0, "false_northing": 0.0, "earth_radius": 6371007.181})
        else:
            crs.setncatts({"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0,
                           "inverse_flattening": 298.257223563})
        for name, kind, fill in (("LST_Day_1km", "u2", 0), ("QC_Day", "u1", None)):
            data = file.createVariable(name, kind, ("time", y, x), fill_value=fill)
            data.set_auto_maskandscale(False)
            data.grid_mapping = "crs"
            if fill is not None:
                data.setncatts({"scale_factor": 0.02, "add_offset": 0.0, "units": "K", "valid_min": 7500,
                                "valid_max": 65535})
            values = np.full((3, 4, 5), 15000 if fill is not None else 0)
            values[0, 0, 0], values[1, 0, 0] = (0, 14000) if fill is not None else (2, 2)
            data[:] = values.astype(kind)


@pytest.mark.parametrize("native", [False, True])
def test_appeears_netcdf(tmp_path, read, native):
    """Layers and quality are variables, dates count in the Julian calendar, the grid may be that of the tiles."""
    appeears_netcdf(tmp_path / "MOD11A2.061_1km_aid0001.nc", native)
    ds = read(tmp_path / "MOD11A2.061_1km_aid0001.nc", level="standard")
    assert [str(time)[:10] for time in ds["time"].values] == ["2016-01-01", "2016-01-09", "2016-01-17"]
    lst = ds["lst_day"].values
    assert np.isnan(lst[:2, 0, 0]).all() and lst[2] == pytest.approx(15000 * 0.02 - 273.15, abs=1e-4)
    assert Grid.of(ds).is_geographic != native
    if native:
        assert Grid.of(ds).transform[2] == pytest.approx(3 * TILE / 2400, abs=1e-6)
        assert Grid.of(ds).crs_wkt == sinusoidal_wkt()


def test_south_up_and_unsigned(tmp_path, read):
    """Rows that run from south to north are turned; unsigned bytes in a signed type keep their values."""
    with netCDF4.Dataset(tmp_path / "FC.v310.MCD43A4.h29v11.2017.006.nc", "w") as file:
        for name, size in (("time", 1), ("latitude", 2), ("longitude", 2)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",)).units = "days since 1970-01-01"
        file["time"][:] = [17167]
        for name, values in (("latitude", [-31.0, -30.0]), ("longitude", [140.0, 141.0])):
            file.createVariable(name, "f8", (name,))[:] = values
        for name, values in (("phot_veg", [[60, 20], [5, -1]]), ("nphot_veg", [[20, 20], [5, -1]]),
                             ("bare_soil", [[20, 60], [-116, -1]])):
            data = file.createVariable(name, "i1", ("time", "latitude", "longitude"))
            data.set_auto_maskandscale(False)
            data.setncatts({"_Unsigned": "true", "missing_value": np.int8(-1)})
            data[:] = np.array([values], dtype="int8")
    ds = read(tmp_path, level="standard")
    assert str(ds["time"].values[0])[:10] == "2017-01-01"
    assert np.array_equal(ds["pv"].values[0], [[np.nan, np.nan], [60, 20]], equal_nan=True)
    assert read(tmp_path)["npv"].values[0, 0, 0] == 5


def test_earth_engine_bands(tmp_path, read):
    """Multi-band exports name their bands; dates stand in the file name, or in front of the names of bands."""
    bands = ["sur_refl_b01", "sur_refl_b02", "StateQA"]
    values = np.stack([np.full((4, 5), 500), np.full((4, 5), 3000), np.full((4, 5), 8)]).astype("int32")
    values[2, 0, 0] = 1
    save(tmp_path / "one" / "MOD09A1_2016_01_01.tif", values, ON, names=bands)
    save(tmp_path / "one" / "MOD09A1_2016_01_09.tif", values, ON, names=bands)
    stacked = [f"{day}_{band}" for day in ("2016_01_01", "2016_01_09") for band in bands]
    save(tmp_path / "all" / "MOD09A1_site.tif", np.concatenate([values, values]), ON, names=stacked)
    for folder in ("one", "all"):
        ds = read(tmp_path / folder, level="standard")
        assert set(ds.data_vars) == {"red", "nir"} and ds.sizes["time"] == 2
        assert np.isnan(ds["nir"].values[:, 0, 0]).all() and ds["nir"].values[1, 1, 1] == pytest.approx(0.3)


def test_parts_of_an_export(tmp_path, read):
    """Earth Engine cuts large exports into parts; they are put together again."""
    right = grid(4, 5, left=10.025, top=48.0, cell=0.005)
    for on, name in ((ON, "0000000000-0000000000"), (right, "0000000000-0000000005")):
        save(tmp_path / f"x_MOD13Q1_2016_01_01-{name}.tif", NDVI.astype("int16"), on, names=["NDVI"])
    ds = read(tmp_path)
    assert dict(ds.sizes) == {"time": 1, "y": 4, "x": 10}
    assert ds["ndvi"].values[0, :, 5:] == pytest.approx(NDVI * 1e-4)


def test_floating_point_exports(tmp_path, read):
    """Floating-point values were scaled already; those that cannot be are refused, not made missing."""
    values = NDVI.astype("float32") / 10000
    values[0, 0] = np.nan
    save(tmp_path / "good" / "MOD13A1_NDVI_2016_001.tif", values, ON, nodata=-3000)
    assert np.array_equal(read(tmp_path / "good")["ndvi"].values[0], values, equal_nan=True)
    save(tmp_path / "mixed" / "MOD13A1_NDVI_2016_001.tif", values, ON)
    save(tmp_path / "mixed" / "MOD13A1_NDVI_2016_017.tif", NDVI.astype("int16"), ON)  # as MODIStsp does when it fills
    assert read(tmp_path / "mixed")["ndvi"].values[1] == pytest.approx(NDVI * 1e-4)
    save(tmp_path / "bad" / "MOD13A1_NDVI_2016_001.tif", NDVI.astype("float32"), ON)
    with pytest.raises(SchemaError, match=r"'ndvi' is 4900 in .*MOD13A1_NDVI_2016_001.tif"):
        _ = read(tmp_path / "bad")["ndvi"].values
    celsius = np.full((4, 5), 21.5, "float32")
    save(tmp_path / "lst" / "MOD11A2_LST_Day_1km_2016_001.tif", celsius, ON, units="degC")
    assert read(tmp_path / "lst")["lst_day"].values == pytest.approx(21.5)
    save(tmp_path / "kelvin" / "MOD11A2_LST_Day_1km_2016_001.tif", celsius + 273.15, ON)
    assert read(tmp_path / "kelvin")["lst_day"].values == pytest.approx(21.5, abs=1e-4)


def test_sums_of_layers(tmp_path, read):
    """Evapotranspiration of PML_V2 is transpiration, soil evaporation and interception together, in mm a day."""
    values = np.stack([np.full((4, 5), part) for part in (500, 120, 60, 30)]).astype("uint16")
    values[3, 0, 0] = 65535
    save(tmp_path / "PML_V2_2016-01-01.tif", values, ON, names=["GPP", "Ec", "Es", "Ei"])
    ds = read(tmp_path)
    assert ds["gpp"].values[0] == pytest.approx(5.0) and ds["et"].values[0, 1:] == pytest.approx(2.1)
    assert np.isnan(ds["et"].values[0, 0, 0])


def test_the_scale_of_a_raster(tmp_path, read):
    """Clumping index has the scale that its file states; without one it is refused."""
    save(tmp_path / "s" / "CAS_CI_A2005001.tif", np.full((4, 5), 700, "uint16"), ON, names=["CI"], scale=(0.001, 0.0))
    assert read(tmp_path / "s")["ci"].values == pytest.approx(0.7)
    save(tmp_path / "n" / "CAS_CI_A2005001.tif", np.full((4, 5), 700, "uint16"), ON, names=["CI"])
    with pytest.raises(SchemaError, match="states no scale factor"):
        read(tmp_path / "n")


def test_no_georeference(tmp_path, read):
    """A raster without a coordinate reference system is refused."""
    save(tmp_path / "MOD13A1_NDVI_2016_001.tif", NDVI.astype("int16"), grid(4, 5, crs=""))
    with pytest.raises(GridError, match="no CRS"):
        read(tmp_path)
