"""Drivers from scenes: scaled, screened, mosaicked, and not read before they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from modis import REFLECTANCE, TILE, granule, pixels, reflectance
from reco_core.drivers import qa
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.rasters.grid import Grid
from reco_core.io.satellite import hdf4
from reco_core.io.satellite.cube import Screening, Verdicts, satellite_dataset
from reco_core.io.satellite.files import find_scenes
from reco_core.vocabulary import check_drivers

pytest.importorskip("pyhdf", reason="the modis extra is not installed")
CLEAR = Screening(lambda driver, layers: qa.reflectance(layers["state"], aerosol=driver == "blue"))


@pytest.fixture
def read(tmp_path):
    """A function from a path to the lazy dataset and its tally."""
    folder = tmp_path / "unpacked"
    folder.mkdir()

    def call(path, product="auto", period=None, **options):
        return satellite_dataset(find_scenes([path], product, folder, period=period), period=period, **options)

    return call


def test_scaled_and_screened(tmp_path, read):
    """Reflectance is DN x 0.0001; fill, invalid and rejected cells are NaN, and counted."""
    layers = reflectance(seed=1)
    stored = layers["sur_refl_b01"][0]
    stored[0, :3] = -28672, 16001, -101
    layers["sur_refl_state_500m"][0][1, :4] = 1, 4, 1 << 15, 65535
    ds, tally = read(granule(tmp_path, layers), screening=CLEAR, chosen=["red", "nir"])
    check_drivers(ds)
    red = ds["red"].values[0]
    assert ds["red"].dtype == "float32" and ds["red"].attrs["units"] == "1" and ds.attrs["time_step"] == "8day"
    assert np.isnan(red[0, :3]).all() and np.isnan(red[1, :4]).all() and np.isfinite(red).sum() == 144 - 7
    assert np.array_equal(red[2:], (stored[2:] * 1e-4).astype("float32"))
    assert tally.of("red") == (141, 4, 0, 0) and tally.of("nir") == (0, 0, 0, 0)


def test_opening_reads_no_pixel(tmp_path, read, monkeypatch):
    """Only the window that is asked for is read, and the quality of a window once for all bands."""
    seen = []
    original = hdf4.Layer4.read
    monkeypatch.setattr(hdf4.Layer4, "read", lambda self, rows, columns: (
        seen.append((self.name, rows, columns)), original(self, rows, columns))[1])
    ds, _ = read(granule(tmp_path, reflectance()), screening=CLEAR)
    assert seen == []
    for name in ("red", "nir"):
        assert ds[name].isel(time=0, y=slice(2, 5), x=slice(1, 9)).values.shape == (3, 8)
    window = (slice(2, 5), slice(1, 9))
    assert seen == [("sur_refl_b01", *window), ("sur_refl_state_500m", *window), ("sur_refl_b02", *window)]


def test_tiles_become_one_grid(tmp_path, read):
    """Tiles of several dates are mosaicked by their place; where a tile lacks, values are missing."""
    truth = {}
    for seed, (tile, day) in enumerate([((18, 4), "2017185"), ((19, 4), "2017185"), ((19, 5), "2017193")]):
        layers = reflectance(seed=seed)
        granule(tmp_path / "g", layers, tile=tile, date=day)
        truth[tile] = layers["sur_refl_b02"][0] * 1e-4
    ds, _ = read(tmp_path / "g", chosen=["nir"])
    assert dict(ds.sizes) == {"time": 2, "y": 24, "x": 24}
    assert Grid.of(ds).bounds == pytest.approx((0, 3 * TILE, 2 * TILE, 5 * TILE), abs=1e-6)
    nir = ds["nir"].values
    assert nir[0, :12, :12] == pytest.approx(truth[18, 4]) and nir[0, :12, 12:] == pytest.approx(truth[19, 4])
    assert nir[1, 12:, 12:] == pytest.approx(truth[19, 5])
    assert np.isfinite(nir).sum() == 3 * 144
    assert np.array_equal(ds["nir"].isel(y=slice(5, 20), x=slice(9, 15)).values, nir[:, 5:20, 9:15], equal_nan=True)


def test_gaps_in_time_are_told(tmp_path, read):
    """Steps may lack; the notes say so, and what of the period is not filled."""
    for day in ("2017185", "2017209"):
        granule(tmp_path / "g", reflectance(), date=day)
    ds, _ = read(tmp_path / "g", period="2017-07-04/2017-12-31")
    assert "time steps are missing at 1 places" in ds.attrs["notes"]
    assert "do not fill the period" in ds.attrs["notes"]


def test_the_region_crops(tmp_path, read):
    """A region in longitude and latitude cuts the mosaic and marks what is inside."""
    granule(tmp_path / "g", reflectance(24))
    ds, _ = read(tmp_path / "g", region="2,42,6,45 [EPSG:4326]")
    assert dict(ds.sizes)["y"] < 24 and ds["inside"].dtype == bool and bool(ds["inside"].values.any())


def test_mixed_resolutions(tmp_path, read):
    """Granules of other cells, or shifted by part of a cell, are refused with both names."""
    granule(tmp_path / "g", reflectance(12))
    granule(tmp_path / "g", reflectance(24), tile=(19, 4))
    with pytest.raises(GridError, match=r"h19v04.*does not fit.*h18v04.*cells of"):
        read(tmp_path / "g")
    shift = 0.3 * TILE / 12
    box = (TILE + shift, 5 * TILE, 2 * TILE + shift, 4 * TILE)
    granule(tmp_path / "s", reflectance(12))
    granule(tmp_path / "s", reflectance(12), tile=(19, 4), box=box)
    with pytest.raises(GridError, match="0.30 of a cell beside"):
        read(tmp_path / "s")


def test_overlapping_scenes(tmp_path, read):
    """Two scenes that share cells on one date are refused."""
    granule(tmp_path / "g", reflectance(12))
    cell = TILE / 12
    granule(tmp_path / "g", reflectance(12), name="part.hdf", box=(6 * cell, 5 * TILE, TILE + 6 * cell, 4 * TILE))
    with pytest.raises(SchemaError, match="hold the same place on 2017-07-12"):
        read(tmp_path / "g")


def test_missing_layers(tmp_path, read):
    """A layer that is not there is named with those that are; what nobody asked for may lack everywhere."""
    layers = reflectance()
    del layers["sur_refl_b03"]
    granule(tmp_path / "g", layers)
    with pytest.raises(SchemaError, match=r"no layer 'sur_refl_b03', which is blue.*sur_refl_b01, sur_refl_b02"):
        read(tmp_path / "g", chosen=["red", "blue"])
    ds, _ = read(tmp_path / "g")
    assert "blue" not in ds and "no layer for blue" in ds.attrs["notes"]
    granule(tmp_path / "g", reflectance(), date="2017201")
    with pytest.raises(SchemaError, match=r"A2017193.*no layer 'sur_refl_b03'"):
        read(tmp_path / "g")
    with pytest.raises(ConfigError, match="no driver 'lai'"):
        read(tmp_path / "g", chosen=["lai"])
    del layers["sur_refl_state_500m"]
    with pytest.raises(SchemaError, match="no quality layer 'sur_refl_state_500m'") as caught:
        read(granule(tmp_path / "q", layers), screening=CLEAR)
    assert "quality=none" in caught.value.hint
    assert read(tmp_path / "q")[0]["red"].values.shape == (1, 12, 12)


def vegetation(value=5000, **attrs):
    """Return the NDVI layer of MOD13A1 with other attributes."""
    known = {"scale_factor": 1e-4, "add_offset": 0.0, "_FillValue": -3000, "valid_range": [-2000, 10000], **attrs}
    return {"500m 16 days NDVI": pixels("int16", value, **{k: v for k, v in known.items() if v is not None})}


@pytest.mark.parametrize("scale", [1e-4, 10000.0, None])
def test_scales(tmp_path, read, scale):
    """The scale of the file, its inverse as MOD13 states it, or that of the product where the file has none."""
    path = granule(tmp_path, vegetation(scale_factor=scale), product="MOD13A1")
    assert read(path, chosen=["ndvi"])[0]["ndvi"].values == pytest.approx(0.5)


def test_contradictions(tmp_path, read):
    """A scale, offset or range that is not that of the product is refused."""
    for attrs, words in (({"scale_factor": 0.01}, "scale factor 0.01; that of this product is 0.0001"),
                         ({"add_offset": 5.0}, "offset 5"), ({"valid_range": [20000, 30000]}, "valid range 20000")):
        with pytest.raises(SchemaError, match=words):
            read(granule(tmp_path / next(iter(attrs)), vegetation(**attrs), product="MOD13A1"), chosen=["ndvi"])


def test_no_scale_anywhere(tmp_path, read):
    """GLASS scales differ between versions: a file that states none is refused, one that does is read."""
    bare = {"LAI": pixels("uint8", 35, _FillValue=255)}
    with pytest.raises(SchemaError, match="states no scale factor"):
        read(granule(tmp_path / "bare", bare, product="GLASS01E01", name="GLASS01E01.V50.A2002001.h25v04.2020323.hdf"),
             product="GLASS_LAI")
    values = np.full((6, 6), 35)
    values[0] = 255
    full = {"LAI": pixels("uint8", values, _FillValue=255, scale_factor=0.1, add_offset=0.0, valid_range=[0, 100])}
    ds, _ = read(granule(tmp_path, full, product="", name="GLASS01E01.V50.A2002001.h25v04.2020323.hdf"))
    lai = ds["lai"].values[0]
    assert np.isnan(lai[0]).all() and lai[1:] == pytest.approx(3.5)


def test_units(tmp_path, read):
    """Kelvin becomes degrees, kilograms a year become grams a day of that year, classes keep their codes."""
    path = granule(tmp_path, {"LST_Day_1km": pixels("uint16", 15000, scale_factor=0.02, _FillValue=0)},
                   product="MOD11A2")
    assert read(path)[0]["lst_day"].values == pytest.approx(15000 * 0.02 - 273.15, abs=1e-4)
    for day, days in (("2016001", 366), ("2017001", 365)):
        path = granule(tmp_path, {"Npp_500m": pixels("int16", 7300, scale_factor=1e-4, _FillValue=32767)},
                       product="MOD17A3HGF", date=day)
        assert read(path)[0]["npp"].values == pytest.approx(730 / days, rel=1e-6)
    codes = np.array([[0, 1, 16], [17, 255, 18]])
    ds, _ = read(granule(tmp_path, {"LC_Type1": pixels("uint8", codes)}, product="MCD12Q1", date="2010001"))
    assert ds["igbp"].dims == ("y", "x") and "time" not in ds
    assert np.array_equal(ds["igbp"].values, [[17, 1, 16], [17, np.nan, np.nan]], equal_nan=True)


def test_out_of_range(tmp_path, read):
    """Values that the driver cannot have are missing and counted, such as land at 100 degrees."""
    stored = np.full((6, 6), 15000)
    stored[0, 0] = round((100 + 273.15) / 0.02)
    path = granule(tmp_path, {"LST_Day_1km": pixels("uint16", stored)}, product="MOD11A2")
    ds, tally = read(path)
    assert np.isnan(ds["lst_day"].values[0, 0, 0]) and tally.of("lst_day") == (35, 0, 1, 0)


def test_second_best_where_months_are_poor(tmp_path, read):
    """MCD43A4: magnitude inversions count where under 30 % of the days of a month are full inversions."""
    for day in range(1, 11):
        quality = np.ones((2, 3))
        quality[0, 0] = day > 2  # 2 of 10 days full: poor
        quality[0, 1] = day > 3  # 3 of 10: enough
        quality[0, 2] = 255
        layers = {"Nadir_Reflectance_Band1": pixels("int16", np.full((2, 3), 1000 + day), **REFLECTANCE),
                  "BRDF_Albedo_Band_Mandatory_Quality_Band1": pixels("uint8", quality)}
        granule(tmp_path / "g", layers, product="MCD43A4", date=f"2016{day:03d}")
    rule = qa.rule("nadir", "standard")
    screening = Screening(lambda driver, layers: rule.keep(driver, layers, "standard"), (), rule.fallback,
                          rule.least_share)
    ds, tally = read(tmp_path / "g", chosen=["red"], screening=screening)
    kept = np.isfinite(ds["red"].values).sum(axis=0)
    assert kept.tolist() == [[10, 3, 0], [10, 10, 10]] and tally.of("red") == (60, 17, 0, 38)
    assert np.isfinite(ds["red"].isel(time=9).values).tolist() == [[True, False, False], [True, True, True]]


def test_fractions_and_snow(tmp_path, read):
    """Cover fractions that do not add up are missing; snow flags become snow cover."""
    layers = {"phot_veg": pixels("uint8", np.array([[40, 40, 255]])),
              "nphot_veg": pixels("uint8", np.array([[30] * 3])),
              "bare_soil": pixels("uint8", np.array([[32, 10, 30]]))}
    screening = Screening(lambda driver, q: qa.fractions(q["pv"], q["npv"], q["bs"]))
    ds, _ = read(granule(tmp_path, layers, product="FC", date="2015257", name="FC.v310.MCD43A4.A2015257.aust.hdf"),
                 product="GFVCP", screening=screening)
    assert np.array_equal(ds["bs"].values[0], [[32, np.nan, np.nan]], equal_nan=True)
    state = np.array([[8, 8 | 1 << 12, 8 | 1 << 15]])
    flags = {"sur_refl_state_500m": pixels("uint16", state, _FillValue=65535)}
    ds, _ = read(granule(tmp_path, flags), chosen=["snow_cover"])
    assert ds["snow_cover"].values[0].tolist() == [[0, 100, 100]]


def test_verdicts_are_remembered_within_bounds(monkeypatch):
    """Verdicts come back as they were made, and the oldest are forgotten when they are many."""
    monkeypatch.setattr("reco_core.io.satellite.cube.CACHE_BYTES", 40)
    verdicts, made = Verdicts(), []
    flags = np.random.default_rng(0).random((9, 20)) < 0.5
    for key in (1, 1, 2, 3, 1):
        again = verdicts.get((key,), flags.shape, lambda k=key: (made.append(k), flags)[1])
        assert np.array_equal(again, flags)
    assert made == [1, 2, 3, 1]


def test_real_reflectance(read, real_data):
    """The real MOD09A1 cut-out equals its stored numbers times 0.0001 where its state is clear."""
    path = next(real_data("modis_hdf4_samples").glob("MOD09A1*.zip"))
    ds, tally = read(path, screening=CLEAR)
    assert dict(ds.sizes) == {"time": 1, "y": 73, "x": 66}
    assert tally.of("red") == (0, 0, 0, 0)
    red, nir = ds["red"].values[0], ds["nir"].values[0]
    assert np.isfinite(red).mean() == pytest.approx(0.905, abs=0.001)
    assert 0 < np.nanmin(red) and np.nanmax(nir) < 0.5 and np.nanmedian((nir - red) / (nir + red)) > 0.8
    assert tally.of("red") == (4818, 459, 0, 0)
