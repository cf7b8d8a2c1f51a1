"""Drivers from rasters: named, dated and converted, on one grid, and not read before they are asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rasters import UTM, field, grid, months, save
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.dates import axis_from_start, date_in_name, read_stamp
from reco_core.io.drivers.files import open_drivers
from reco_core.io.drivers.layers import name_of_file
from reco_core.io.drivers.values import check_range
from reco_core.io.rasters import arrays as raster_arrays
from reco_core.io.rasters.grid import Grid
from reco_core.vocabulary import check_drivers

ON = grid()
LABELS = months("2001-01", 12)


@pytest.fixture
def stack(tmp_path):
    """A function that writes a monthly stack and returns its path."""

    def make(name="ta.tif", count=12, on=ON, first="2001-01", seed=0, low=-10.0, high=30.0, **options):
        values = field(count, on, seed, low, high)
        return save(tmp_path / name, values, on, names=months(first, count), **options)

    return make


def days(ds):
    return [str(time)[:10] for time in ds["time"].values]


def test_stacks_and_static_layers_become_one_dataset(tmp_path, stack):
    """A band per month, and single bands that do not change; named by their files."""
    soil = save(tmp_path / "soc_0.tif", field(1, ON, low=0, high=90), ON)
    ds = open_drivers(layers=[stack(), stack("lai_monthly.tif", low=0, high=6), soil])
    assert check_drivers(ds) is ds
    assert {name: ds[name].dims for name in ds.data_vars} == {
        "ta": ("time", "y", "x"), "lai": ("time", "y", "x"), "soc_0": ("y", "x")}
    assert ds.attrs["time_step"] == "month" and ds.attrs["reco_kind"] == "drivers"
    assert days(ds)[::11] == ["2001-01-01", "2001-12-01"]
    assert Grid.of(ds) == Grid(ds["spatial_ref"].attrs["crs_wkt"], ON.transform, 8, 10)
    assert ds["ta"].attrs["units"] == "degC" and ds["ta"].dtype == "float32"
    assert np.array_equal(ds["ta"].values, field(12, ON))
    assert (np.diff(ds["y"].values) < 0).all() and (np.diff(ds["x"].values) > 0).all()
    assert "'ta' has no unit in ta.tif" in ds.attrs["notes"]


def test_opening_reads_no_pixel(stack, monkeypatch):
    """Only the window that is asked for is read."""
    seen = []
    original = raster_arrays._read_bands
    monkeypatch.setattr(raster_arrays, "_read_bands", lambda path, bands, window, out: (
        seen.append((bands, window.height, window.width)), original(path, bands, window, out)))
    ds = open_drivers(stack(units="K", low=260, high=300), period="2001-03/2001-10", region="0.6,46.2,4,49")
    assert seen == []
    part = ds["ta"].isel(time=1, y=slice(0, 2), x=slice(1, 4)).values
    assert seen == [([4], 2, 3)]
    assert part == pytest.approx(field(12, ON, low=260, high=300)[3, 2:4, 2:5] - 273.15, abs=1e-4)


@pytest.mark.parametrize("names", [
    ["ta_{0}.tif", "lai_{0}.tif"], ["MOD_{1}_ta.tif", "MOD_{1}_lai.tif"], ["ta/{0}.tif", "lai/{0}.tif"],
    ["X.A{2}.ta.20150101000000.tif", "X.A{2}.lai.20150101000000.tif"]])
def test_folders_of_dated_files(tmp_path, names):
    """Dates are found in the names, and what is left tells the driver; the order of files does not matter."""
    truth = {"ta": field(5, ON), "lai": field(5, ON, low=0, high=6)}
    for i in (3, 1, 0, 4, 2):
        month = np.datetime64("2000-11", "M") + i
        doy = int((month.astype("datetime64[D]") - month.astype("datetime64[Y]").astype("datetime64[D]")).astype(int))
        words = (str(month), str(month).replace("-", "_"), f"{str(month)[:4]}{doy + 1:03d}")
        for pattern, values in zip(names, truth.values()):
            save(tmp_path / pattern.format(*words), values[i], ON)
    ds = open_drivers(tmp_path)
    assert set(ds.data_vars) == {"ta", "lai"}
    assert days(ds) == ["2000-11-01", "2000-12-01", "2001-01-01", "2001-02-01", "2001-03-01"]
    assert all(np.array_equal(ds[name].values, values) for name, values in truth.items())


def test_folders_may_mix_whole_files(tmp_path, stack):
    """Series, dated files and static layers may lie together; hidden and partial files do not count."""
    stack("ta.tif", count=2)
    for month in (1, 2):
        save(tmp_path / f"lai_2001{month:02d}.tif", field(1, ON, low=0, high=6), ON)
    save(tmp_path / "soc_0.tif", field(1, ON, low=0, high=90), ON)
    for name in (".reco-partial-1-vpd.tif", ".reco-partial-1-contributions/pet.tif", ".reco-journal-explain/.zgroup"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    assert set(open_drivers(tmp_path).data_vars) == {"ta", "lai", "soc_0"}


def test_a_file_per_year_with_a_band_per_month(tmp_path):
    """The year stands in the name, twelve bands are its months."""
    for year in (2001, 2002):
        save(tmp_path / f"ta_{year}.tif", field(12, ON, year), ON)
    ds = open_drivers(tmp_path)
    assert days(ds)[11:13] == ["2001-12-01", "2002-01-01"] and ds.attrs["time_step"] == "month"
    assert np.array_equal(ds["ta"].values[12:], field(12, ON, 2002))


def test_bands_may_be_drivers(tmp_path):
    """Bands described by names are static drivers."""
    values = field(3, ON, low=0, high=50)
    ds = open_drivers(save(tmp_path / "soil.tif", values, ON, names=["SOC 0cm", "clay", "my soil"]))
    assert list(ds.data_vars) == ["soc_0", "clay", "my_soil"] and "time" not in ds.dims
    assert np.array_equal(ds["clay"].values, values[1])


def test_first_date_is_given_where_bands_have_none(tmp_path):
    """start and time_step date the bands; without them the message says so."""
    path = save(tmp_path / "ndvi_2001_2010.tif", field(4, ON, low=0, high=1), ON)
    with pytest.raises(SchemaError, match="4 bands that carry neither dates nor names") as caught:
        open_drivers(path)
    assert "start" in caught.value.hint
    assert days(open_drivers(path, start="2001-11"))[-1] == "2002-02-01"
    assert days(open_drivers(path, start="2001"))[-1] == "2004-01-01"
    assert days(open_drivers(path, start="2001-12-19", time_step="8day")) == [
        "2001-12-19", "2001-12-27", "2002-01-01", "2002-01-09"]
    with pytest.raises(ConfigError, match="does not tell how long"):
        open_drivers(path, start="2001-12-19")


def test_names_are_mapped(stack):
    """The user's map goes before everything; layer names before file names."""
    path = stack("mean_of_something.tif", low=0, high=6)
    assert list(open_drivers(path).data_vars) == ["mean_of_something"]
    assert list(open_drivers(path, variables={"mean_of_something": "LAI"}).data_vars) == ["lai"]
    assert list(open_drivers(layers=[path], layer_names=["fpar"]).data_vars) == ["fapar"]
    with pytest.raises(ConfigError, match="1 layers and 2 names"):
        open_drivers(layers=[path], layer_names=["a", "b"])


def test_a_driver_comes_from_one_source_only(tmp_path, stack):
    """Two files that say the same name are both named, series and static layers alike."""
    with pytest.raises(SchemaError, match=r"'ta' is given twice for 2001-01-01.*ta\.tif.*tavg\.tif"):
        open_drivers([stack("ta.tif"), stack("tavg.tif")])
    once, again = (save(tmp_path / f"{name}.tif", field(1, ON), ON) for name in ("soc_0", "soc"))
    with pytest.raises(SchemaError, match=r"2 files give the driver 'soc_0'"):
        open_drivers([once, again])


def test_required_drivers(stack):
    """What is missing is named; what is not needed is left out, even if it does not fit."""
    paths = [stack("ta.tif"), stack("lai.tif", low=0, high=6), stack("vpd.tif", on=grid(cell=1.0), low=0, high=9)]
    assert list(open_drivers(paths, require=["lai", "tavg"]).data_vars) == ["ta", "lai"]
    with pytest.raises(SchemaError, match="no swc, ndvi; they have ta, lai, vpd"):
        open_drivers(paths, require=["ta", "swc", "ndvi"])


def test_every_mismatch_is_named_at_once(stack):
    """Four wrong files, four named mismatches of CRS, cell size, extent and calendar; right files are not named."""
    paths = [stack("ta.tif"), stack("lai.tif", low=0, high=6),
             stack("vpd.tif", on=grid(crs=UTM, left=500000, top=5e6, cell=1000)),
             stack("ndvi.tif", on=grid(4, 5, cell=1.0)), stack("swc.tif", on=grid(left=0.25)),
             stack("precip.tif", first="2001-02")]
    with pytest.raises(GridError) as caught:
        open_drivers(paths)
    lines = caught.value.message.split("; ")
    assert len(lines) == 4 and "\n" not in caught.value.message
    assert "vpd.tif" in lines[0] and "CRS EPSG:32631 instead of EPSG:4326" in lines[0]
    assert "ndvi.tif" in lines[1] and "cells of 1 x 1 instead of 0.5 x 0.5" in lines[1] and "4 x 5" in lines[1]
    assert "swc.tif" in lines[2] and "extent 0.25 46 5.25 50 instead of 0 46 5 50" in lines[2]
    assert "precip.tif" in lines[3] and "2001-02 to 2002-01 (12 time steps) instead of 2001-01" in lines[3]
    assert "lai" not in caught.value.message and "align" in caught.value.hint


def test_a_wrong_unit_is_told_with_the_rest(stack):
    """A unit that does not fit is one more mismatch; alone it names file and driver."""
    wrong = stack("vpd.tif", units="furlong", low=0, high=9)
    with pytest.raises(SchemaError, match=r"vpd\.tif.*unit 'furlong' of 'vpd'") as caught:
        open_drivers([stack("ta.tif"), wrong])
    assert 'units="vpd=hPa"' in caught.value.hint
    with pytest.raises(GridError, match=r"lai\.tif.*; .*vpd\.tif.*furlong"):
        open_drivers([stack("ta.tif"), stack("lai.tif", on=grid(left=2.0)), wrong])
    assert open_drivers(wrong, units={"vpd": "kPa"})["vpd"].values == pytest.approx(
        10 * field(12, ON, low=0, high=9), rel=1e-6)


def test_files_of_one_series_share_a_grid(tmp_path):
    """A dated file on another grid is named."""
    save(tmp_path / "ta_2001-01.tif", field(1, ON), ON)
    save(tmp_path / "ta_2001-02.tif", field(1, ON), grid(left=1.0))
    with pytest.raises(GridError, match=r"ta_2001-02\.tif'.*not that of .*ta_2001-01\.tif"):
        open_drivers(tmp_path)


@pytest.mark.parametrize(("change", "words"), [({"crs": ""}, "no CRS"), ({"left": 60.0}, "does not overlap")])
def test_what_no_alignment_can_mend(stack, change, words):
    """A raster without CRS or somewhere else is refused even with align."""
    with pytest.raises(GridError, match=rf"lai\.tif.*{words}"):
        open_drivers([stack("ta.tif"), stack("lai.tif", on=grid(**change))], align="nearest")


def test_shifted_calendars_need_a_period(stack):
    """The common part of two calendars is taken only where the user chooses it."""
    paths = [stack("ta.tif"), stack("lai.tif", first="2001-02", low=0, high=6)]
    with pytest.raises(GridError, match=r"lai\.tif.*2001-02 to 2002-01") as caught:
        open_drivers(paths)
    assert "period" in caught.value.hint
    ds = open_drivers(paths, period="2001-02/2001-12")
    assert (days(ds)[0], days(ds)[-1]) == ("2001-02-01", "2001-12-01")
    assert np.array_equal(ds["lai"].values, field(12, ON, low=0, high=6)[:11])
    assert "period" not in ds.attrs["notes"]
    notes = open_drivers(paths[0], period="2000/2001").attrs["notes"]
    assert "do not fill the period: they have 2001-01 to 2001-12" in notes
    with pytest.raises(GridError, match=r"ta\.tif.*no time step in the period \(2001-01 to 2001-12"):
        open_drivers(paths, period="2010/2011")


def test_time_steps_must_agree(stack, tmp_path):
    """Years do not mix with months, gaps are named, and the step asked for must be that of the files."""
    yearly = save(tmp_path / "lai.tif", field(2, ON, low=0, high=6), ON, names=["2001", "2002"])
    with pytest.raises(GridError, match=r"lai\.tif.*time step year instead of month"):
        open_drivers([stack("ta.tif"), yearly])
    gap = save(tmp_path / "vpd.tif", field(11, ON, low=0, high=9), ON, names=LABELS[:4] + LABELS[5:])
    with pytest.raises(GridError, match=r"vpd\.tif.*without 2001-05"):
        open_drivers([stack("ta.tif"), gap])
    with pytest.raises(GridError, match=r"ta\.tif.*month, not year"):
        open_drivers(stack("ta.tif"), time_step="year")


def test_totals_are_divided_by_the_days_of_each_step(stack):
    """Monthly totals become rates with the length of each month."""
    ds = open_drivers(stack("precip.tif", units="mm", low=0, high=300))
    truth = field(12, ON, low=0, high=300) / np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[:, None, None]
    assert ds["precip"].values == pytest.approx(truth, rel=1e-5)
    assert ds["precip"].isel(time=1, y=3, x=4).values == pytest.approx(truth[1, 3, 4], rel=1e-5)
    assert ds["precip"].attrs["units"] == "mm d-1"


def test_south_up_and_0_to_360(tmp_path):
    """Rows are turned to run southwards and longitudes to -180..180; windows across the seam are right."""
    values = field(1, grid(6, 12))[0]
    upside = Grid(ON.crs_wkt, (30.0, 0.0, 0.0, 0.0, 10.0, -30.0), 6, 12)
    ds = open_drivers(save(tmp_path / "ta.tif", values, upside))
    assert ds["y"].values.tolist() == [25, 15, 5, -5, -15, -25]
    assert ds["x"].values[[0, 5, 6, 11]].tolist() == [-165, -15, 15, 165]
    turned = np.roll(values[::-1], 6, axis=1)
    assert np.array_equal(ds["ta"].values, turned)
    assert np.array_equal(ds["ta"].isel(y=slice(1, 3), x=slice(4, 8)).values, turned[1:3, 4:8])


@pytest.mark.parametrize("bad", ["not a raster", ""])
def test_unreadable_rasters_are_named(tmp_path, stack, bad):
    """A damaged or empty file, a missing one and an empty folder are named."""
    (tmp_path / "lai.tif").write_text(bad)
    with pytest.raises(SchemaError, match=r"lai\.tif"):
        open_drivers([stack("ta.tif"), tmp_path / "lai.tif"])
    with pytest.raises(SchemaError, match=r"nowhere\.tif"):
        open_drivers([tmp_path / "nowhere.tif"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaError, match="empty"):
        open_drivers(tmp_path / "empty")
    with pytest.raises(ConfigError, match="No drivers"):
        open_drivers()
    with pytest.raises(SchemaError, match="There is no file or folder of drivers 'ta_00000"):
        open_drivers(",".join(f"ta_{i:05d}.tif" for i in range(1000)))


def test_drivers_travel_to_other_processes(stack):
    """A dataset can be handed over unread, and reads there."""
    ds = pickle.loads(pickle.dumps(open_drivers(stack(units="K", low=260, high=300), period="2001-02/2001-03")))
    assert ds["ta"].values == pytest.approx(field(12, ON, low=260, high=300)[1:3] - 273.15, abs=1e-4)


def test_values_outside_the_valid_range():
    """The message names driver, place, value and range; missing values and rounding pass."""
    check_range("ta", np.array([np.nan, -20.0, 35.0], "float32"), "a.tif")
    check_range("ndvi", np.array([1.00001]), "a.tif")
    check_range("my_index", np.array([1e9]), "a.tif")
    check_range("ta", np.array([np.nan]), "a.tif")
    with pytest.raises(SchemaError, match=r"'ta' is 290 degC in a\.tif, 2001-01; valid are -80 to 60 degC"):
        check_range("ta", np.array([280.0, 290.0]), "a.tif, 2001-01")
    with pytest.raises(SchemaError, match="-9999"):
        check_range("lai", np.array([1.0, -9999.0]), "a.tif")


@pytest.mark.parametrize(("text", "date"), [
    ("2001", "2001-01-01"), ("2001-02", "2001-02-01"), ("200102", "2001-02-01"), ("X2000.02.18", "2000-02-18"),
    ("A2001033", "2001-02-02"), ("2000-02-18T12:00:00", "2000-02-18"), ("band 3", None), ("12", None),
    ("2001-13", None), ("0012", None), ("", None)])
def test_dates_in_descriptions(text, date):
    """A description is a date as a whole or not at all."""
    found = read_stamp(text)
    assert (None if found is None else str(found.date)) == date


@pytest.mark.parametrize(("stem", "date", "rest"), [
    ("ta_2001-01", "2001-01-01", "ta"), ("MOD_2001_01_lai", "2001-01-01", "MOD_lai"), ("ta_200101", "2001-01-01", "ta"),
    ("p_20010131", "2001-01-31", "p"), ("MOD13A2.A2001033.h18v04_ndvi", "2001-02-02", "MOD13A2_h18v04_ndvi"),
    ("CHELSA_tas_07_2001_V.2.1", "2001-07-01", "CHELSA_tas_V.2.1"), ("ta_2001", "2001-01-01", "ta"),
    ("ndvi_2001_2010", None, "ndvi_2001_2010"), ("soc_0", None, "soc_0"), ("lst_day_1km", None, "lst_day_1km")])
def test_dates_in_file_names(stem, date, rest):
    """One date in a name is taken out of it; a period is no date."""
    found, left = date_in_name(stem)
    assert (None if found is None else str(found.date), left) == (date, rest)


def test_drivers_in_file_names():
    """The longest known part of a name tells the driver; single letters tell nothing."""
    assert name_of_file("MOD11_LST_Day_1km_v6", {}) == ("lst_day", True)
    assert name_of_file("MOD13A2_h18v04_ndvi", {}) == ("ndvi", True)
    assert name_of_file("soc_0", {}) == ("soc_0", False)
    assert name_of_file("p", {}) == ("precip", False)
    assert name_of_file("cluster_p_3", {}) == ("cluster_p_3", False)
    assert name_of_file("run7_tg", {"tg": "ta"}) == ("ta", True)


def test_eight_day_steps_start_anew_each_year():
    """The last step of a year is short."""
    axis = axis_from_start("2000-12-18", 4, "8day", "x")
    assert [str(time) for time in axis.times] == ["2000-12-18", "2000-12-26", "2001-01-01", "2001-01-09"]
