"""COSORE: ports, treatments, screening, local days, its three layouts, and the real data sets."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from reco_core.errors import ConfigError, SampleError, SchemaError
from reco_core.io.archives import Source, find_sources
from reco_core.io.observations.cosore import is_cosore, read_cosore
from reco_core.io.observations.cosore_files import in_repository, read_ports
from reco_core.io.observations.read import read_observations
from reco_core.io.r_files import read_rds
from reco_core.samples import periods
from reco_core.vocabulary import convert
from reco_core.vocabulary.ledger import ledger

rdata = pytest.importorskip("rdata")
UMOL = 1.0377504
ABOUT = {"CSR_LONGITUDE": "-110.5", "CSR_LATITUDE": "31.7", "CSR_ELEVATION": "1370", "CSR_TIMEZONE": "Etc/GMT+7",
         "CSR_IGBP": "Open shrubland", "CSR_PRIMARY_PUB": "10.1002/2013JG002495"}
PORTS = ("CSR_PORT,\tCSR_MSMT_VAR,\tCSR_TREATMENT,\tCSR_SPECIES\n1,\t\tRs,\t\tNone,\t\t\"Larrea, Acacia\"\t\n"
         "2,\t\tRs,\t\tNone,\t\t\n3,\t\tRh,\t\tTrenched,\t\t\n4,\t\tRs,\t\tWarmed,\t\t\n5,\t\tNEE,\t\tNone,\n")


def seconds(text):
    """Return seconds UTC of a time."""
    return float(np.datetime64(text, "s").astype("int64"))


def rows(port, flux, start="2012-06-01T12:00", step=3600.0, **more):
    """Return measurements of one port, an hour apart, 90 s long."""
    begin = seconds(start) + step * np.arange(len(flux))
    frame = {"CSR_PORT": np.full(len(flux), float(port)), "CSR_TIMESTAMP_BEGIN": begin,
             "CSR_TIMESTAMP_END": begin + 90, "CSR_FLUX_CO2": np.asarray(flux, dtype="float64")}
    return pd.DataFrame({**frame, **{key: np.asarray(value, dtype="float64") for key, value in more.items()}})


def write(folder, frame=None, name="d20200101_TEST", about=None, ports=PORTS):
    """Write a data set in the layout of the repository and return its folder."""
    home = folder / name
    (home / "data").mkdir(parents=True)
    lines = [f"{key}: {value}" for key, value in {**ABOUT, **(about or {})}.items()]
    (home / "DESCRIPTION.txt").write_text("\n".join(("# DESCRIPTION.txt", "#\tCSR_IGBP: a type", "\t\t%d day", *lines)))
    if ports is not None:
        (home / "PORTS.txt").write_text("# PORTS.txt\n#\n" + ports)
    if frame is not None:
        rdata.write_rds(home / "data" / "data.RDS", frame)
    return home


def reasons(ds):
    """Return reason -> count of what was dropped."""
    return {entry["reason"]: entry["count"] for entry in ledger(ds) if entry["count"]}


def test_ports_are_averaged_after_days(tmp_path):
    """A port with many measurements counts no more than one with few; treated and other ports are left out."""
    frame = pd.concat([rows(1, [1.0] * 6), rows(2, [3.0]), rows(3, [9.0]), rows(4, [30.0]), rows(5, [-2.0])])
    ds = read_observations(write(tmp_path, frame), flux="rs")
    assert ds.attrs["time_step"] == "day" and ds.attrs["method"] == "chamber"
    assert float(ds["rs"][0, 0]) == pytest.approx(2.0 * UMOL)
    assert float(ds["qc"][0, 0]) == 1.0
    assert reasons(ds) == {"measurements on treated ports": 1}
    assert (ds["site"].item(), ds["igbp"].item(), ds["network"].item()) == ("d20200101_TEST", "OSH", "COSORE")
    assert (float(ds["lat"][0]), float(ds["lon"][0]), float(ds["elevation"][0])) == (31.7, -110.5, 1370)
    assert ds.attrs["citation"].endswith("10.1111/gcb.15353; doi:10.1002/2013JG002495")


def test_trenching_is_how_rh_is_measured(tmp_path):
    """Rh of trenched ports is kept and told; Rs of trenched ports is treated; mixed treatments are left out."""
    ports = ("CSR_PORT,CSR_MSMT_VAR,CSR_TREATMENT\n1,Rh,Trenched\n2,Rh,\"Girdled, partial O horizon\"\n"
             "3,Rs,Trenched\n4,Rs,None\n")
    frame = pd.concat([rows(1, [1.0]), rows(2, [5.0]), rows(3, [7.0]), rows(4, [2.0])])
    home = write(tmp_path, frame, ports=ports)
    rh, rs = (read_observations(home, flux=flux) for flux in ("rh", "rs"))
    assert float(rh["rh"][0, 0]) == pytest.approx(UMOL)
    assert any(entry.get("detail") == "d20200101_TEST: Trenched" for entry in ledger(rh))
    assert float(rs["rs"][0, 0]) == pytest.approx(2.0 * UMOL)
    assert float(read_observations(home, flux="rh", screening="none")["rh"][0, 0]) == pytest.approx(3.0 * UMOL)


def test_screening_and_the_share_that_passed(tmp_path):
    """Errors, impossible fluxes and poor fits go; quality is the share of measurements that stayed."""
    frame = rows(1, [1.0, 1.0, 60.0, -1.5, 5.0, 7.0], CSR_R2_CO2=[0.9, np.nan, 0.99, 0.9, 0.5, 0.9],
                 CSR_ERROR=[0, 0, 0, 0, 0, 1])
    home = write(tmp_path, frame)
    ds = read_observations(home, flux="rs")
    assert float(ds["rs"][0, 0]) == pytest.approx(UMOL)
    assert float(ds["qc"][0, 0]) == pytest.approx(2 / 6)
    assert reasons(ds) == {"measurements with an error flag": 1, "measurements outside -1 to 50 umol m-2 s-1": 2,
                           "measurements whose fit has R2 below 0.8": 1}
    assert set(reasons(read_observations(home, flux="rs", screening="basic"))) == {"measurements with an error flag"}
    assert reasons(read_observations(home, flux="rs", screening="none")) == {}


def test_hours_then_days_or_flat(tmp_path):
    """An hour with ten measurements counts as one hour, unless flat means are asked for."""
    frame = pd.concat([rows(1, [4.0] * 10, step=100.0), rows(1, [1.0], start="2012-06-01T20:00")])
    home = write(tmp_path, frame)
    assert float(read_observations(home, flux="rs")["rs"][0, 0]) == pytest.approx(2.5 * UMOL)
    assert float(read_observations(home, flux="rs", subdaily="flat")["rs"][0, 0]) == pytest.approx(41 / 11 * UMOL)


@pytest.mark.parametrize(("zone", "day"), [
    ("Etc/GMT+7", "2012-06-01"), ("Etc/GMT-9", "2012-06-02"), ("UTC", "2012-06-02"), ("America/New_York", "2012-06-01"),
    ("Mars/Base", "2012-06-01")])
def test_days_are_local(tmp_path, zone, day):
    """A measurement at 4 h UTC belongs to the day before in America; daylight saving does not count.

    New York is 5 h behind in standard time; where a zone is not known the longitude tells the hours, and the ledger it.
    """
    ds = read_observations(write(tmp_path, rows(1, [1.0], start="2012-06-02T04:30"), about={"CSR_TIMEZONE": zone}),
                           flux="rs")
    assert str(ds["time"].values[0])[:10] == day
    assert any("Mars/Base" in entry.get("detail", "") for entry in ledger(ds)) == (zone == "Mars/Base")


def test_drivers_of_the_least_depth(tmp_path):
    """Soil temperature and moisture come from the least depth; a fraction becomes percent."""
    frame = rows(1, [1.0, 1.0], CSR_T20=[1, 1], CSR_T5=[10, 14], CSR_SM10=[0.2, 0.3], CSR_TAIR=[20, 22])
    ds = read_observations(write(tmp_path, frame), flux="rs")
    assert [float(ds[name][0, 0]) for name in ("ts", "swc", "ta")] == pytest.approx([12.0, 25.0, 21.0])
    percent = rows(1, [1.0], CSR_SM5=[30.0])
    ds = read_observations(write(tmp_path, percent, name="d2"), flux="rs")
    assert float(ds["swc"][0, 0]) == 30.0
    assert any("taken as %" in entry.get("detail", "") for entry in ledger(ds))


def test_swapped_positions(tmp_path):
    """A latitude beyond 90 with a longitude below is a swap and is told; nowhere at all is an error."""
    ds = read_observations(write(tmp_path, rows(1, [1.0]), about={"CSR_LATITUDE": "-110.5", "CSR_LONGITUDE": "31.7"}),
                           flux="rs")
    assert (float(ds["lat"][0]), float(ds["lon"][0])) == (31.7, -110.5)
    assert any("swapped" in entry["reason"] and "d20200101_TEST" in entry["detail"] for entry in ledger(ds))
    with pytest.raises(SchemaError, match="stands at latitude 131"):
        read_observations(write(tmp_path, rows(1, [1.0]), name="d2", about={"CSR_LATITUDE": "131"}), flux="rs")


def test_missing_and_broken_files(tmp_path):
    """A data set without PORTS.txt or DESCRIPTION.txt, or with an empty or cut data.RDS, is named."""
    frame = rows(1, [1.0] * 500)
    with pytest.raises(SchemaError, match=r"'d1' has no file PORTS.txt") as caught:
        read_observations(write(tmp_path, frame, name="d1", ports=None), flux="rs")
    assert "what each port measures" in caught.value.hint
    home = write(tmp_path, frame, name="d2")
    (home / "DESCRIPTION.txt").unlink()
    with pytest.raises(SchemaError, match=r"'d2' has no file DESCRIPTION.txt"):
        read_observations(home, format="cosore", flux="rs")
    home = write(tmp_path, frame, name="d3")
    data = home / "data" / "data.RDS"
    data.write_bytes(data.read_bytes()[:-200])
    with pytest.raises(SchemaError, match="'data.RDS' is damaged or cut off"):
        read_observations(home, flux="rs")
    data.write_bytes(b"")
    with pytest.raises(SchemaError, match="is empty"):
        read_observations(home, flux="rs")
    (home / "PORTS.txt").write_text("")
    with pytest.raises(SchemaError, match="PORTS.txt' is empty"):
        read_observations(home, flux="rs")
    with pytest.raises(SchemaError, match="No data set of COSORE is here"):
        (tmp_path / "x.csv").write_text("a,b\n1,2\n")
        read_observations(tmp_path / "x.csv", format="cosore", flux="rs")


@pytest.mark.parametrize(("text", "words"), [
    ("CSR_PORT,CSR_TREATMENT\n1,None\n", "known to hold var in; its header: CSR_PORT, CSR_TREATMENT"),
    ("CSR_PORT,CSR_MSMT_VAR,CSR_TREATMENT\n1,Ra,None\n", "line 2: port '1' measures 'Ra'"),
    ("CSR_PORT,CSR_MSMT_VAR,CSR_TREATMENT\n# x\n1,Rs,None\n1,Rh,None\n", "line 4: port 1 stands twice"),
    ("CSR_PORT,CSR_MSMT_VAR,CSR_TREATMENT\n", "has no ports")])
def test_ports_that_cannot_be_understood(tmp_path, text, words):
    """Unknown headers, variables and contradictions name file and line."""
    (tmp_path / "PORTS.txt").write_text(text)
    with pytest.raises(SchemaError, match=words):
        read_ports(Source(tmp_path / "PORTS.txt"))


def test_port_that_nobody_described(tmp_path):
    """Records of a port that PORTS.txt does not know are an error; port 0 stands for all."""
    with pytest.raises(SchemaError, match="have port 9, which PORTS.txt does not know"):
        read_observations(write(tmp_path, rows(9, [1.0])), flux="rs")
    everything = write(tmp_path, rows(9, [1.0]), name="d2", ports="CSR_PORT,CSR_MSMT_VAR,CSR_TREATMENT\n0,Rs,None\n")
    assert float(read_observations(everything, flux="rs")["rs"][0, 0]) == pytest.approx(UMOL)


def test_one_name_twice(tmp_path):
    """A copy of a data set in another folder is refused with both places, not mixed in."""
    write(tmp_path, rows(1, [1.0]))
    write(tmp_path / "copy", rows(1, [5.0]))
    with pytest.raises(SampleError, match="'d20200101_TEST' is there 2 times"):
        read_observations(tmp_path, flux="rs")


def test_kinds_of_flux_stay_apart(tmp_path):
    """What is not measured is refused with what is; a data set without records is told."""
    write(tmp_path, rows(1, [1.0]), name="d1")
    write(tmp_path, None, name="d2")
    with pytest.raises(ConfigError, match=r"holds no reco; it holds rs \(2 data sets\), rh \(2 data sets\)"):
        read_observations(tmp_path, flux="reco")
    assert any(entry.get("detail") == "d2" for entry in ledger(read_observations(tmp_path, flux="rs")))
    with pytest.raises(SampleError, match="No measurement of rh passes screening=strict"):
        read_observations(tmp_path, flux="rh")


def test_csv_export(tmp_path):
    """The export as CSV gives what the repository gives, also inside a zip."""
    frame = pd.concat([rows(1, [1.0, 2.0]), rows(3, [0.5])])
    repository = read_observations(write(tmp_path, frame), flux="rs")
    export = tmp_path / "export"
    (export / "datasets").mkdir(parents=True)
    pd.DataFrame([{"CSR_DATASET": "d20200101_TEST", **ABOUT}]).to_csv(export / "description.csv", index=False)
    pd.DataFrame([("d20200101_TEST", 1, "Rs", "None"), ("d20200101_TEST", 3, "Rh", "Trenched")], columns=[
        "CSR_DATASET", "CSR_PORT", "CSR_MSMT_VAR", "CSR_TREATMENT"]).to_csv(export / "ports.csv", index=False)
    for name in ("CSR_TIMESTAMP_BEGIN", "CSR_TIMESTAMP_END"):
        frame[name] = pd.to_datetime(frame[name], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    frame.to_csv(export / "datasets" / "data_d20200101_TEST.csv", index=False)
    assert is_cosore(find_sources(export))
    ds = read_observations(export, flux="rs")
    np.testing.assert_allclose(ds["rs"].values, repository["rs"].values)
    assert float(ds["lat"][0]) == 31.7
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted(export.rglob("*.csv")):
            archive.write(path, path.relative_to(tmp_path).as_posix())
    assert read_observations(tmp_path / "export.zip", flux="rs").drop_attrs().equals(ds.drop_attrs())
    (export / "ports.csv").unlink()
    with pytest.raises(SchemaError, match=r"0 files are like ports.csv"):
        read_observations(export, flux="rs")


def test_repository_inside_a_zip(tmp_path):
    """A zip of the repository reads like the folder."""
    home = write(tmp_path / "cosore" / "datasets", rows(1, [1.0]))
    shutil.make_archive(str(tmp_path / "cosore"), "zip", tmp_path, "cosore")
    plain, packed = (read_observations(path, flux="rs") for path in (home, tmp_path / "cosore.zip"))
    assert plain.drop_attrs().equals(packed.drop_attrs())


def test_real_repository_to_eight_days(real_data):
    """The five real data sets give soil respiration at 5 sites and heterotrophic at one, in 8-day means."""
    path = real_data("soil_cosore") / "original_layout"
    rs, rh = (read_observations(path, flux=flux) for flux in ("rs", "rh"))
    assert rs.sizes["site"] == 5 and list(rh["site"].values) == ["d20190424_ZHANG_maple"]
    assert list(rs["igbp"].values) == ["DBF", "EBF", "OSH", "EBF", "DBF"]
    assert reasons(rs) == {"measurements on treated ports": 3152}
    eight = periods.aggregate(rh, "8day")
    days = pd.Series(rh["rh"].values[0], rh["time"].values)
    start = pd.to_datetime(days.index.year.astype(str) + "-01-01") + pd.to_timedelta(
        (days.index.day_of_year - 1) // 8 * 8, unit="D")
    expected = days.groupby(start).mean()
    np.testing.assert_allclose(eight["rh"].values[0], expected.values)
    assert np.array_equal(eight["time"].values, expected.index.values)
    both = rs["rs"].sel(site="d20190424_ZHANG_maple").to_series().dropna().index.intersection(days.dropna().index)
    assert len(both) > 400


def test_real_records_equal_the_daily_table(real_data):
    """Flat means of each port by UTC day are those of the published table, for every port-day of five data sets."""
    folder = real_data("soil_cosore")
    table = pd.read_csv(folder / "cosore_port_daily_means.csv.gz")
    for data_set in in_repository(find_sources(folder / "original_layout")):
        raw = read_rds(Source(folder / "original_layout" / data_set.name / "data" / "data.RDS"))
        day = pd.to_datetime(raw["CSR_TIMESTAMP_END"], unit="s").dt.strftime("%Y-%m-%d")
        mine = raw["CSR_FLUX_CO2"].groupby([day, raw["CSR_PORT"].astype(int)]).mean()
        theirs = table[table["dataset"] == data_set.name].set_index(["date", "port"])
        assert len(mine) == len(theirs) > 200
        np.testing.assert_allclose(mine.to_numpy("float64"), theirs["flux_umol_m2_s"].loc[mine.index], rtol=2e-4,
                                   atol=2e-4)
        assert {data_set.ports.get(str(port), data_set.ports.get("0"))[0] for port in mine.index.levels[1]} == set(
            theirs["var"])


def test_real_daily_table_holds_rh_of_six(real_data):
    """The table of daily port means gives 8-day RH at six sites, with places and classes from the table beside."""
    path = real_data("soil_cosore") / "cosore_port_daily_means.csv.gz"
    ds = read_observations(path, flux="rh")
    assert list(ds["site"].values) == ["d20190424_ZHANG_maple", "d20190424_ZHANG_oak", "d20190504_SAVAGE_hf006-05",
                                       "d20190517_MAURITZ", "d20190610_SIHI_H2", "d20190617_SCOTT_WKG"]
    assert list(ds["igbp"].values) == ["DBF", "DBF", "DBF", "OSH", "ENF", "GRA"]
    assert np.isfinite(ds["lat"]).all()
    raw = pd.read_csv(path)
    raw = raw[(raw["var"] == "Rh") & raw["flux_umol_m2_s"].between(-1, 50) & (raw["dataset"] == "d20190617_SCOTT_WKG")]
    expected = convert(raw.groupby("date")["flux_umol_m2_s"].mean().to_numpy(), "umol CO2 m-2 s-1", "g C m-2 d-1")
    mine = ds["rh"].sel(site="d20190617_SCOTT_WKG").values
    np.testing.assert_allclose(mine[np.isfinite(mine)], expected)
    eight = periods.aggregate(ds, "8day")
    assert (np.isfinite(eight["rh"]).sum("time") >= 30).all()
    assert 0.2 < float(eight["rh"].mean()) < 5


def test_real_folder_with_two_layouts(real_data):
    """Data sets that have their own folder are read from there, the others from the table."""
    folder = real_data("soil_cosore")
    ds = read_cosore(find_sources(folder), flux="rs")
    assert ds.sizes["site"] == 62
    own = read_cosore(find_sources(folder / "original_layout"), flux="rs")["rs"].sel(site="d20190831_SIHI")
    both = ds["rs"].sel(site="d20190831_SIHI").dropna("time")
    np.testing.assert_array_equal(both.values, own.dropna("time").values)
