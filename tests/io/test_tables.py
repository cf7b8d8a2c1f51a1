"""Tables of any common kind: columns, units, dates, positions, and the errors of broken ones."""

from __future__ import annotations

import gzip
import struct
import zipfile

import numpy as np
import pandas as pd
import pyogrio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.observations.read import read_observations
from reco_core.vocabulary import convert
from reco_core.vocabulary.calendar import step_days
from reco_core.vocabulary.ledger import ledger

ROWS = "site,year,month,lat,lon,type,RECO,NEE_qc,Air_temperature\n" + "".join(
    f"{site},2004,{month},{lat},{lon},{igbp},{month + 0.5},0.9,{month * 2}\n"
    for site, lat, lon, igbp in (("BE-Lon", 50.5, 4.7, "CRO"), ("007", -33.1, 200.5, "GRA")) for month in range(1, 13))


def write(tmp_path, text, name="table.csv"):
    """Write text and return its path."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def value(ds, name="reco", site="BE-Lon", month="2004-02"):
    """Return one value of a table."""
    return float(ds[name].sel(site=site, time=f"{month}-01"))


def test_known_names_need_no_map(tmp_path):
    """Site, date, position, class, flux, quality and drivers are recognised by their usual names."""
    ds = read_observations(write(tmp_path, ROWS))
    assert list(ds["site"].values) == ["007", "BE-Lon"]
    assert ds.attrs["time_step"] == "month"
    assert value(ds) == 2.5
    assert value(ds, "qc") == 0.9
    assert value(ds, "ta") == 4.0
    assert ds["igbp"].sel(site="BE-Lon").item() == "CRO"
    assert float(ds["lon"].sel(site="007")) == pytest.approx(-159.5)


@pytest.mark.parametrize("kind", ["tsv", "semicolon", "decimal comma", "gz", "zip", "bom", "crlf", "utf-16", "parquet"])
def test_same_table_of_any_kind(tmp_path, kind):
    """The layout of a table does not change what is read."""
    plain = read_observations(write(tmp_path, ROWS))
    name = "other.csv"
    if kind == "tsv":
        path = write(tmp_path, ROWS.replace(",", "\t"), "other.tsv")
    elif kind == "semicolon":
        path = write(tmp_path, ROWS.replace(",", ";"), name)
    elif kind == "decimal comma":
        path = write(tmp_path, ROWS.replace(",", ";").replace(".", ","), name)
    elif kind == "gz":
        path = write(tmp_path, gzip.compress(ROWS.encode()), name + ".gz")
    elif kind == "zip":
        path = tmp_path / "other.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("folder/" + name, ROWS)
            archive.writestr("folder/readme.md", "words")
    elif kind == "parquet":
        path = tmp_path / "other.parquet"
        pd.read_csv(tmp_path / "table.csv", dtype={"site": str}).to_parquet(path)
    else:
        path = write(tmp_path, {"bom": ROWS.encode("utf-8-sig"), "crlf": ROWS.replace("\n", "\r\n"),
                                "utf-16": ROWS.encode("utf-16")}[kind], name)
    other = read_observations(path)
    assert other.drop_attrs().equals(plain.drop_attrs())


def test_member_of_a_zip_can_be_named(tmp_path):
    """archive.zip/member.csv reads that member; a zip of several tables asks which."""
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", ROWS)
        archive.writestr("b.csv", ROWS.replace("2004", "2005"))
    assert str(read_observations(path / "b.csv")["time"].values[0])[:4] == "2005"
    with pytest.raises(SchemaError, match="holds 2 tables") as caught:
        read_observations(path)
    assert "two.zip/a.csv" in caught.value.hint


def test_several_tables_join(tmp_path):
    """A list of tables becomes one; the same site-month in two is refused with both names."""
    one, two = write(tmp_path, ROWS, "one.csv"), write(tmp_path, ROWS.replace("2004", "2005"), "two.csv")
    assert read_observations([one, two]).sizes == {"site": 2, "time": 24}
    with pytest.raises(SampleError, match=r"2004-01-01: in 'one.csv' and in 'again.csv'"):
        read_observations([one, write(tmp_path, ROWS, "again.csv")])


def test_column_map_and_constants(tmp_path):
    """Columns of any name can be mapped; a quoted value holds for all rows; unknown drivers keep their name."""
    text = "when,flux,weird\n2004-03,2.5,7\n2004-04,3.5,8\n"
    ds = read_observations(write(tmp_path, text), units={"reco": "g C m-2 d-1"}, columns={
        "site": "'My tower'", "time": "when", "reco": "flux", "peat_depth": "weird", "lat": "'12.5'", "lon": "'7'"})
    assert value(ds, site="My tower", month="2004-03") == 2.5
    assert value(ds, "peat_depth", site="My tower", month="2004-04") == 8
    assert float(ds["lat"][0]) == 12.5


@pytest.mark.parametrize(("columns", "message", "hint"), [
    ({"reco": "REKO"}, r"'table.csv' has no column 'REKO' \(asked for as reco\)", "RECO"),
    ({"ta": "Air_temp"}, "no column 'Air_temp'", "Air_temperature"),
    ({"9x": "RECO"}, "'9x' cannot be the name", "letters")])
def test_wrong_column_is_named(tmp_path, columns, message, hint):
    """A column that is not there is named with the nearest that is."""
    with pytest.raises(SchemaError, match=message) as caught:
        read_observations(write(tmp_path, ROWS), columns=columns)
    assert hint in caught.value.hint


@pytest.mark.parametrize(("gone", "message"), [
    ("RECO", "known to hold ecosystem respiration"), ("site", "no site column"), ("year", "has no date")])
def test_missing_column_is_named(tmp_path, gone, message):
    """Flux, site and date are needed; the error says how to name them."""
    frame = pd.read_csv(write(tmp_path, ROWS)).drop(columns=gone)
    path = tmp_path / "less.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(SchemaError, match=f"less.csv.*{message}") as caught:
        read_observations(path)
    assert "columns=" in caught.value.hint


def test_units_are_converted_with_the_days_of_the_month(tmp_path):
    """g C m-2 month-1 in February of a leap year is divided by 29 (methods test 1.1 a)."""
    ds = read_observations(write(tmp_path, ROWS), units={"reco": "g C m-2 month-1", "Air_temperature": "K"})
    assert value(ds) == pytest.approx(2.5 / 29, rel=1e-12)
    assert value(ds, "ta") == pytest.approx(4 - 273.15)


def test_half_hourly_tables_must_state_their_unit(tmp_path):
    """Rates of half-hours are rarely in g C m-2 d-1, so nothing is assumed; rain in mm becomes mm d-1."""
    path = write(tmp_path, "site,time,reco,precip\nA,200401010000,1,0.5\nA,200401010030,1,0.5\n")
    with pytest.raises(SchemaError, match="column 'reco': the unit of reco is not stated"):
        read_observations(path)
    ds = read_observations(path, units={"reco": "umol CO2 m-2 s-1", "precip": "mm"})
    np.testing.assert_allclose(ds["reco"].values, 1.0377504, rtol=1e-9)
    np.testing.assert_allclose(ds["precip"].values, 24.0)


def test_unknown_unit_names_column(tmp_path):
    """A unit that is not known, does not fit, or belongs to nothing is an error."""
    path = write(tmp_path, ROWS)
    with pytest.raises(SchemaError, match=r"column 'RECO' \(reco\): The unit 'tons' is not known"):
        read_observations(path, units={"reco": "tons"})
    with pytest.raises(SchemaError, match=r"column 'Air_temperature' \(ta\): 'mm d-1' cannot be converted"):
        read_observations(path, units={"ta": "mm d-1"})
    with pytest.raises(SchemaError, match="unit is given for 'lai'"):
        read_observations(path, units={"lai": "m2 m-2"})


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(1e-3, 30), year=st.integers(1900, 2100), month=st.integers(1, 12),
       unit=st.sampled_from(["g C m-2 month-1", "kg C m-2 d-1", "umol CO2 m-2 s-1", "g C m-2 yr-1", "mg C m-2 d-1"]))
def test_flux_units_round_trip(rate, year, month, unit):
    """There and back again is the same to 1e-12, whatever the month (methods test 1.1 b)."""
    time = np.array([f"{year}-{month:02d}"], dtype="datetime64[M]")
    days = step_days(time, "year" if "yr" in unit else "month")
    there = convert(rate, "g C m-2 d-1", unit, days=days)
    assert float(np.ravel(convert(there, unit, "g C m-2 d-1", days=days))[0]) == pytest.approx(rate, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(months=st.lists(st.integers(0, 600), min_size=1, max_size=20, unique=True), form=st.sampled_from(
    ["%Y%m", "%Y-%m", "%Y/%m", "columns"]))
def test_any_spelling_of_a_month(tmp_path_factory, months, form):
    """Months are read the same however they are written, in any order and with gaps."""
    times = np.array(sorted(np.datetime64("1970-01") + m for m in months))
    shuffled = np.random.default_rng(len(months)).permutation(times)
    if form == "columns":
        lines = ["site,year,month,reco", *(f"A,{t.astype(object).year},{t.astype(object).month},1" for t in shuffled)]
    else:
        lines = ["site,time,reco", *(f"A,{t.astype(object).strftime(form)},1" for t in shuffled)]
    path = write(tmp_path_factory.mktemp("months"), "\n".join(lines) + "\n")
    ds = read_observations(path)
    assert ds.attrs["time_step"] == "month"
    np.testing.assert_array_equal(ds["time"].values.astype("datetime64[M]"), times)


@pytest.mark.parametrize(("dates", "step", "first"), [
    (["2004-01-31", "2004-02-29", "2004-03-31"], "month", "2004-01-01"),
    (["2004", "2005", "2006"], "year", "2004-01-01"),
    (["20040101", "20040102", "20040104"], "day", "2004-01-01"),
    (["2004-01-01", "2004-01-09", "2004-01-17"], "8day", "2004-01-01"),
    (["200401010000", "200401010030", "200401010100"], "half-hour", "2004-01-01"),
    (["2004-01-01T00:00", "2004-01-01T01:00", "2004-01-01T02:00"], "hour", "2004-01-01")])
def test_time_step_is_told_by_the_dates(tmp_path, dates, step, first):
    """The most frequent gap decides; dates inside a step become its start."""
    path = write(tmp_path, "site,time,reco\n" + "".join(f"A,{date},1\n" for date in dates))
    ds = read_observations(path, units={"reco": "umol CO2 m-2 s-1"})
    assert (ds.attrs["time_step"], str(ds["time"].values[0])[:10]) == (step, first)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("BE-Lon,2004,3,", "BE-Lon,2004,13,", "column 'month', line 4: '13' is not a month"),
    ("BE-Lon,2004,3,", ",2004,3,", "column 'site', line 4: there is no site"),
    ("CRO,3.5,", "CRO,high,", "column 'RECO', line 4: 'high' is not a number"),
    ("CRO,3.5,0.9", "CRO,3.5,90", "column 'NEE_qc', line 4: quality 90 does not fit"),
    ("BE-Lon,2004,3,50.5", "BE-Lon,2004,3,150.5", "line 4: lat of site 'BE-Lon' is 150.5")])
def test_bad_values_are_named_with_their_line(tmp_path, old, new, message):
    """The message has file, column, line and value."""
    assert old in ROWS
    with pytest.raises(SchemaError, match=f"table.csv.*{message}"):
        read_observations(write(tmp_path, ROWS.replace(old, new)))


def test_line_numbers_count_blank_and_comment_lines(tmp_path):
    """The line in a message is the line of the file."""
    lines = ROWS.splitlines()
    lines[3] = lines[3].replace("3.5", "oops")
    text = "\n".join(["# made by hand", *lines[:2], "", *lines[2:]]) + "\n\n"
    with pytest.raises(SchemaError, match="line 6: 'oops'"):
        read_observations(write(tmp_path, text))


@pytest.mark.parametrize("date", ["31.01.2004", "01/02/2004", "soon", "20041340"])
def test_ambiguous_or_wrong_dates_are_refused(tmp_path, date):
    """Only year-first dates are read."""
    with pytest.raises(SchemaError, match=r"column 'time', line 2: .* is not a date"):
        read_observations(write(tmp_path, f"site,time,reco\nA,{date},1\n"))


def test_doubled_site_month_names_both_lines(tmp_path):
    """Site, month and both lines are in the message."""
    text = ROWS + ROWS.splitlines()[2] + "\n"
    with pytest.raises(SampleError, match=r"site 'BE-Lon' has 2004-02-01.* twice, in line 3 and line 26"):
        read_observations(write(tmp_path, text))


@pytest.mark.parametrize(("content", "name", "message"), [
    (b"", "nil.csv", r"nil.csv' is empty \(0 bytes\)"),
    (b"site,time,reco\n", "header.csv", "no rows"),
    (gzip.compress(ROWS.encode() * 50)[:-30], "cut.csv.gz", "cut.csv.gz' is damaged or cut off"),
    (bytes(range(256)) * 4, "binary.csv", "not a text table"),
    (b"PAR1 but not really", "wrong.parquet", "not a parquet file"),
    (b"{}", "wrong.geojson", "not a vector layer"),
    (b"", "nil.gpkg", r"empty \(0 bytes\)"),
    (b"words", "notes.docx", "holds no observations that can be read")])
def test_broken_files_give_one_error(tmp_path, content, name, message):
    """Whatever is wrong with a file, the error is ours and names it."""
    with pytest.raises(SchemaError, match=message):
        read_observations(write(tmp_path, content, name))


def test_uneven_rows_are_refused(tmp_path):
    """A row with more fields than the header is not guessed at."""
    with pytest.raises(SchemaError, match="line 3: the row has more fields than the 3"):
        read_observations(write(tmp_path, "site,time,reco\nA,2004-01,1\nA,2004-02,1,2,3\n"))


def test_one_date_per_site_does_not_tell_the_step(tmp_path):
    """The error says how to write the date."""
    with pytest.raises(SchemaError, match="does not tell the time step"):
        read_observations(write(tmp_path, "site,time,reco\nA,2004-01-01,1\nB,2004-01-01,1\n"))


def test_flux_is_never_taken_as_a_driver_unasked(tmp_path):
    """GPP is a driver only where the map says so."""
    text = "site,time,reco,GPP,ta\nA,2004-01,1,2,3\n"
    assert "gpp" not in read_observations(write(tmp_path, text))
    assert "gpp" in read_observations(write(tmp_path, text), columns={"gpp": "GPP"})


def test_soil_respiration_table(tmp_path):
    """Another flux kind has its own column and name."""
    ds = read_observations(write(tmp_path, "site,time,rs\nA,2004-01,1\n"), flux="rs")
    assert (ds.attrs["flux_kind"], float(ds["rs"].values[0, 0])) == ("rs", 1.0)


def test_fraction_of_soil_water_is_remarked(tmp_path):
    """Soil water between 0 and 1 read as % is put into the ledger."""
    ds = read_observations(write(tmp_path, "site,time,reco,swc\nA,2004-01,1,0.3\n"))
    assert any("fraction" in entry["reason"] for entry in ledger(ds))
    ds = read_observations(write(tmp_path, "site,time,reco,swc\nA,2004-01,1,0.3\n"), units={"swc": "m3 m-3"})
    assert float(ds["swc"].values[0, 0]) == pytest.approx(30)


def points(path, crs="EPSG:3857", driver="GPKG", geometry_type="Point", layer="towers"):
    """Write two towers as a vector layer."""
    xy = [(0.0, 0.0), (111319.490793, 111325.142866)]
    if geometry_type == "Point":
        wkb = [struct.pack("<BI2d", 1, 1, x, y) for x, y in xy]
    else:
        wkb = [struct.pack("<BII4d", 1, 2, 2, x, y, x + 1, y + 1) for x, y in xy]
    pyogrio.raw.write(path, np.array(wkb, dtype=object), [np.array(["A", "B"], dtype=object),
                      np.array(["2004-01", "2004-01"], dtype=object), np.array([1.5, 2.5])],
                      ["site", "time", "reco"], layer=layer, driver=driver, geometry_type=geometry_type, crs=crs)
    return path


@pytest.mark.parametrize(("name", "driver", "crs"), [
    ("towers.gpkg", "GPKG", "EPSG:3857"), ("towers.fgb", "FlatGeobuf", "EPSG:3857")])
def test_points_bring_their_position(tmp_path, name, driver, crs):
    """Longitude and latitude come from the geometry, whatever its CRS."""
    ds = read_observations(points(tmp_path / name, crs, driver))
    np.testing.assert_allclose(ds["lon"].values, [0, 1], atol=1e-6)
    np.testing.assert_allclose(ds["lat"].values, [0, 1], atol=1e-6)
    np.testing.assert_allclose(ds["reco"].values[:, 0], [1.5, 2.5])


def test_geojson_points(tmp_path):
    """GeoJSON is read like any other layer."""
    text = ('{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":'
            '[4.5,51.3]},"properties":{"site":"BE-Bra","time":"2004-01","reco":2.0}}]}')
    ds = read_observations(write(tmp_path, text, "towers.geojson"))
    assert (float(ds["lon"][0]), float(ds["lat"][0])) == (4.5, 51.3)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_layers_that_are_no_points(tmp_path):
    """Lines, layers without CRS and files of several layers are refused."""
    with pytest.raises(SchemaError, match="feature 1: the geometry is not a point"):
        read_observations(points(tmp_path / "lines.gpkg", geometry_type="LineString"))
    with pytest.raises(SchemaError, match="states no CRS"):
        read_observations(points(tmp_path / "nowhere.fgb", crs=None, driver="FlatGeobuf"))
    two = points(tmp_path / "two.gpkg")
    pyogrio.raw.write(two, np.array([struct.pack("<BI2d", 1, 1, 0.0, 0.0)], dtype=object), [np.array([1.0])], ["reco"],
                      layer="others", driver="GPKG", geometry_type="Point", crs="EPSG:4326", append=True)
    with pytest.raises(SchemaError, match="2 vector layers"):
        read_observations(two)


@pytest.mark.parametrize("header", [
    "site,lat,lon,igbp", "SITE_ID,LAT,LON,IGBP", "siteID,latitude,longitude,pft", "Site Code,Lat,Long,type",
    "SITE_ID,LOCATION_LAT,LOCATION_LONG,IGBP"])
def test_site_table_of_any_spelling(tmp_path, header):
    """Positions and classes come from a site table; numbers of classes become names."""
    flux = write(tmp_path, "site,time,reco\nA,2004-01,1\nB,2004-01,1\n")
    sites = write(tmp_path, header + "\nA,10.5,20.5,ENF\nB,11,21,10\n", "sites.csv")
    ds = read_observations(flux, sites=str(sites))
    assert list(ds["lat"].values) == [10.5, 11.0]
    assert list(ds["igbp"].values) == ["ENF", "GRA"]


def test_site_table_that_does_not_fit(tmp_path):
    """A site table of other sites, with contradictions or impossible positions is refused."""
    flux = write(tmp_path, "site,time,reco\nA,2004-01,1\n")
    for text, message in (("site,lat,lon\nZ,1,2\n", "knows none of the 1 sites"),
                          ("site,lat,lon\nA,1,2\nA,5,2\n", "site 'A' stands at several places"),
                          ("site,lat,lon\nA,100,2\n", "lat of site 'A' is 100"),
                          ("name,lat,lon\nA,1,2\n", "no site column")):
        with pytest.raises(SchemaError, match=message):
            read_observations(flux, sites=str(write(tmp_path, text, "sites.csv")))


def test_sites_without_position_are_told(tmp_path):
    """The ledger names sites that cannot be placed."""
    ds = read_observations(write(tmp_path, "site,time,reco\nA,2004-01,1\n"))
    assert any("without a position" in entry["reason"] and entry["detail"] == "A" for entry in ledger(ds))


def test_period_keeps_what_starts_inside(tmp_path):
    """Records outside the period are counted."""
    ds = read_observations(write(tmp_path, ROWS), period="2004-03/2004-05")
    assert ds.sizes["time"] == 3
    assert {entry["reason"]: entry["count"] for entry in ledger(ds)}["records outside the period"] == 18


def test_other_flux_in_units_is_an_error(tmp_path):
    """A quoted value where a number is needed must be one."""
    with pytest.raises(ConfigError, match="is not a number"):
        read_observations(write(tmp_path, ROWS), columns={"lat": "'north'"})


def test_published_table_reads_whole(real_data):
    """The TER table gives 110 sites, 6,363 site-months and 13 drivers with its unit alone."""
    path = real_data("flux_ter_causal_xgb_monthly/ter_site_month_drivers.csv.gz")
    ds = read_observations(path, units={"reco": "g C m-2 month-1"})
    raw = pd.read_csv(path)
    assert ds.sizes["site"] == 110
    assert int(np.isfinite(ds["reco"].values).sum()) == 6363
    assert len(set(ds.data_vars) - {"reco", "qc"}) == 13
    row = raw.iloc[4000]
    month = f"{row.year}-{row.month:02d}"
    days = pd.Period(month).days_in_month
    assert value(ds, site=row.site, month=month) == pytest.approx(row.RECO / days)
    assert value(ds, "precip", site=row.site, month=month) == row.Precipation
    by_code = read_observations(path, units={"reco": "g C m-2 month-1"}, columns={
        "site": "siteID", "reco": "RECO", "qc": "NEE_qc", "ta": "Air_temperature"})
    assert by_code.sizes == ds.sizes


def test_merged_towers_read_through_known_names(real_data):
    """The merged table of three collections needs no map at all."""
    ds = read_observations(real_data("flux_tower_monthly_merged/tower_reco_monthly_merged.csv.gz"))
    assert ds.sizes["site"] == 195
    assert int(np.isfinite(ds["reco"].values).sum()) == 13139
    assert np.unique(ds["network"].values).size == 3
