"""Finding satellite files: names, zips, products, dates, and what must be refused."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from modis import granule, pixels, reflectance
from rasters import grid, save
from reco_core.errors import ConfigError, GridError, SchemaError
from reco_core.io.satellite.files import find_scenes
from reco_core.io.satellite.names import read_name
from reco_core.io.satellite.products import PRODUCTS, plain, product_of
from reco_core.vocabulary import canonical_name

pytest.importorskip("pyhdf", reason="the modis extra is not installed")
ON = grid(6, 6, left=10.0, top=48.0, cell=0.005)


@pytest.fixture
def find(tmp_path):
    """A function that finds scenes, unpacking into a folder of its own."""
    folder = tmp_path / "unpacked"
    folder.mkdir()

    def call(*paths, product="auto", period=None):
        return find_scenes(paths, product, folder, period=period)

    return call


def dates(found):
    return [str(scene.date) for scene in found.scenes]


def pack(path, *files):
    """Write files into a zip, under a folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"inside/{file.name}")
    return path


@pytest.mark.parametrize("name, expected", [
    ("MOD13A1.061__500m_16_days_NDVI_doy2016001_aid0001.tif",
     ("MOD13A1", "2016-01-01", "500m_16_days_ndvi", "aid0001")),
    ("MOD09A1.061_sur_refl_b01_doy2016361000000_aid0002.tif", ("MOD09A1", "2016-12-26", "sur_refl_b01", "aid0002")),
    ("MOD11A2.061_LST_Day_1km_doy2016060_aid0001.tif", ("MOD11A2", "2016-02-29", "lst_day_1km", "aid0001")),
    ("MOD13A1_NDVI_2016_337.tif", ("MOD13A1", "2016-12-02", "ndvi", "")),
    ("MOD09A1_061_2016_01_09.tif", ("MOD09A1", "2016-01-09", "", "")),
    ("MYD09A1.A2017193.h18v04.061.2017202035302.hdf", ("MYD09A1", "2017-07-12", None, "")),
    ("FC.v310.MCD43A4.A2015257.aust.006.NPV.tif", ("GFVCP", "2015-09-14", "aust_006_npv", "")),
    ("GLASS01E01.V60.A2002001.h25v04.2022010.hdf", ("GLASS_LAI", "2002-01-01", None, "")),
    ("GLASS09A01.V50.A2004361.h25v04.2022010.hdf", ("GLASS_FAPAR", "2004-12-26", None, "")),
    ("PML_V2_2010-01-01.tif", ("PML_V2", "2010-01-01", "", "")),
    ("2010_01_01.tif", ("", "2010-01-01", "", "")), ("mosaic.tif", ("", "None", "mosaic", ""))])
def test_names(name, expected):
    """Product, date, layer and area are read from names as producers write them."""
    found = read_name(name)
    told = (found.product, str(found.date), found.layer if expected[2] is not None else None, found.area)
    assert told == expected


@pytest.mark.parametrize("year, day, date", [(2016, 366, "2016-12-31"), (2016, 60, "2016-02-29"),
                                             (2015, 60, "2015-03-01"), (2015, 366, None), (2016, 0, None)])
def test_days_of_the_year(year, day, date):
    """Day 60 is 29 February in leap years; a day that a year does not have is refused."""
    name = f"MOD11A1.061_LST_Day_1km_doy{year}{day:03d}_aid0001.tif"
    if date:
        assert str(read_name(name).date) == date
    else:
        with pytest.raises(SchemaError, match=f"no day {day:03d} in {year}"):
            read_name(name)


def test_the_table_of_products():
    """Every driver is known to the vocabulary, every quality layer exists, every name is in its plain form."""
    for product in PRODUCTS.values():
        assert product_of(product.family[0]) is product and product.citation
        for layer in product.layers:
            assert canonical_name(layer.name) == layer.name
            assert set(layer.quality) <= set(product.quality)
            assert all(plain(name) == name for names in layer.parts for name in names)
        assert all(plain(name) == name for names in product.quality.values() for name in names)


def test_granules_in_folders_and_zips(tmp_path, find):
    """Plain files, zips of one or many granules and zips in zips are found alike, in the order of their dates."""
    days = ["2017185", "2017193", "2017201", "2017209"]
    files = [granule(tmp_path / "made", reflectance(seed=i), date=day) for i, day in enumerate(days)]
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / files[3].name).write_bytes(files[3].read_bytes())
    pack(folder / "one.zip", files[1])
    pack(folder / "many.zip", pack(tmp_path / "inner.zip", files[2]), files[0])
    (folder / "readme.txt").write_text("text")
    found = find(folder)
    assert dates(found) == ["2017-07-04", "2017-07-12", "2017-07-20", "2017-07-28"]
    assert find(*files[:2]).short_name == "MOD09A1"
    stored = found.scenes[2].layers["sur_refl_b01"].pixels.read(slice(0, 12), slice(0, 12))
    assert np.array_equal(stored, reflectance(seed=2)["sur_refl_b01"][0])


def test_only_the_period_is_opened(tmp_path, find):
    """Granules after the period are not even looked into; the step that holds its first day belongs to it."""
    for day in ("2017185", "2017193"):
        granule(tmp_path / "g", reflectance(), date=day)
    (tmp_path / "g" / "MOD09A1.A2017201.h18v04.061.1.hdf").write_bytes(b"broken")
    assert dates(find(tmp_path / "g", period="2017-07-10/2017-07-15")) == ["2017-07-04", "2017-07-12"]
    with pytest.raises(GridError, match=r"lies in the period 2019"):
        find(tmp_path / "g", period="2019")


def test_mixed_products(tmp_path, find):
    """Products in one folder are told apart; naming one leaves the others out; Terra and Aqua are not mixed."""
    folder = tmp_path / "g"
    granule(folder, reflectance())
    granule(folder, {"LST_Day_1km": pixels("uint16", 15000), "QC_Day": pixels("uint8", 0)}, product="MOD11A2")
    with pytest.raises(SchemaError, match=r"several products: MOD09A1 \(1\), MOD11A2 \(1\)"):
        find(folder)
    found = find(folder, product="MOD11A2")
    assert found.short_name == "MOD11A2" and found.notes == ("1 scenes of other products are left out",)
    with pytest.raises(SchemaError, match="None of the files is MOD13A1: they are MOD09A1"):
        find(folder, product="MOD13A1")
    with pytest.raises(ConfigError, match="no product 'MOD99'"):
        find(folder, product="MOD99")
    aqua = tmp_path / "aqua"
    granule(aqua, reflectance(), product="MYD09A1")
    assert find(aqua, product="MOD09A1").short_name == "MYD09A1"
    granule(aqua, reflectance())
    with pytest.raises(SchemaError, match="several products"):
        find(aqua)


def test_unknown_products(tmp_path, find):
    """A product that is not in the table is named, with those that are."""
    granule(tmp_path / "g", {"x": pixels("int16", 1)}, product="MOD44B")
    with pytest.raises(SchemaError, match=r"cannot be told.*MOD44B") as caught:
        find(tmp_path / "g")
    assert "MOD09A1" in caught.value.hint
    with pytest.raises(SchemaError, match="no satellite files, only notes.txt"):
        (tmp_path / "n").mkdir()
        (tmp_path / "n" / "notes.txt").write_text("x")
        find(tmp_path / "n")


@pytest.mark.parametrize("day, start, following", [("2016010", "2016-01-09", "2016-01-17"),
                                                   ("2016366", "2016-12-26", "2017-01-01")])
def test_dates_off_the_calendar(tmp_path, find, day, start, following):
    """A composite that begins between two steps is refused, with the steps around it."""
    granule(tmp_path / "g", reflectance(), date=day)
    with pytest.raises(GridError, match=f"does not begin a 8day step.*{start} and {following}"):
        find(tmp_path / "g")


def test_calendars_of_products(tmp_path, find):
    """16-day steps of a leap year, the later ones of Aqua, months and years."""
    for product, day, expected in (("MOD13A1", "2016353", "2016-12-18"), ("MYD13A1", "2016009", "2016-01-01"),
                                   ("MOD13A3", "2016061", "2016-03-01"), ("MOD17A3HGF", "2016001", "2016-01-01")):
        found = find(granule(tmp_path / product, {"x": pixels("int16", 1)}, product=product, date=day))
        assert dates(found) == [expected]
    assert "begin 8 days after" in find(tmp_path / "MYD13A1").notes[0]


def test_the_same_place_twice(tmp_path, find):
    """Two versions of one granule are refused, and both are named."""
    one = granule(tmp_path / "g", reflectance())
    (tmp_path / "g" / "MOD09A1.A2017193.h18v04.061.2021.hdf").write_bytes(one.read_bytes())
    with pytest.raises(SchemaError, match=r"given twice.*2020001000000.*061\.2021\.hdf"):
        find(tmp_path / "g")


def test_exports_are_joined_by_date(tmp_path, find):
    """The layers of AppEEARS lie in files of their own; several areas are refused."""
    for layer in ("_500m_16_days_NDVI", "_500m_16_days_pixel_reliability"):
        for day in ("2016001", "2016017"):
            save(tmp_path / "e" / f"MOD13A1.061_{layer}_doy{day}_aid0001.tif", np.zeros((6, 6), "int16"), ON)
    found = find(tmp_path / "e")
    assert dates(found) == ["2016-01-01", "2016-01-17"]
    assert set(found.scenes[1].layers) == {"500m_16_days_ndvi", "500m_16_days_pixel_reliability"}
    save(tmp_path / "e" / "MOD13A1.061__500m_16_days_NDVI_doy2016001_aid0002.tif", np.zeros((6, 6), "int16"), ON)
    with pytest.raises(GridError, match="several areas: aid0001, aid0002"):
        find(tmp_path / "e")


def test_files_without_a_date(tmp_path, find):
    """A raster whose date nothing tells is refused."""
    save(tmp_path / "MOD13A1_NDVI.tif", np.zeros((6, 6), "int16"), ON)
    with pytest.raises(GridError, match="carries no date"):
        find(tmp_path / "MOD13A1_NDVI.tif")


def test_hostile_zips(tmp_path, find):
    """Members that climb out of a zip, and zips that unpack to absurdly much, are refused unread."""
    with zipfile.ZipFile(tmp_path / "climb.zip", "w") as archive:
        archive.writestr("../../MOD09A1.A2017193.h18v04.061.1.hdf", b"x")
    with pytest.raises(SchemaError, match="climbs out"):
        find(tmp_path / "climb.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("MOD09A1.A2017193.h18v04.061.1.hdf", bytes(80_000_000))
    with pytest.raises(SchemaError, match="zip bomb|would unpack"):
        find(tmp_path / "bomb.zip")
    assert not list((tmp_path / "unpacked").rglob("*.hdf"))


def test_empty_files(tmp_path, find):
    """Files of 0 bytes are told as such, whatever they are called."""
    for name in ("MOD09A1.A2017193.h18v04.061.1.hdf", "MOD13A1_NDVI_2016_001.tif", "MOD13A1.061_500m_aid0001.nc"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(SchemaError, match=rf"{name}' is empty \(0 bytes\)"):
            find(tmp_path / name)


def test_real_zips(real_data, find):
    """The zips of MODIStsp: a granule in a zip, and 23 GeoTIFFs of 16 days."""
    folder = real_data("modis_hdf4_samples")
    one = find(next(folder.glob("MOD09A1*.zip")))
    assert (one.short_name, dates(one)) == ("MOD09A1", ["2017-07-12"])
    year = find(folder / "VI_16Days_500m_v6_NDVI.zip")
    assert len(year.scenes) == 23 and dates(year)[::22] == ["2016-01-01", "2016-12-18"]
