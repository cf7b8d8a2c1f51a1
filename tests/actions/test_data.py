"""The data steps as users run them: from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import oneflux
from reco_core import world
from reco_core.actions import run_step
from reco_core.errors import Cancelled, ConfigError, SampleError
from reco_core.io.observations.read import open_observations, open_samples
from reco_core.progress import Progress

MONTHS = oneflux.stamps("2003-01", 24, "MM")


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    """Make a small world once: 12 x 6 cells, 3 years, 15 towers."""
    folder = tmp_path_factory.mktemp("world")
    return run_step("make_world", {"cells": 12, "years": 3, "towers": 15}, folder=str(folder))


def observe(tmp_path, **values):
    """Run read_observations on a monthly file and return its result."""
    text = oneflux.text(MONTHS, "MM", {"NEE_VUT_REF_QC": np.linspace(0.5, 1, 24)})
    path = oneflux.write(tmp_path / "in", text, oneflux.name())
    return run_step("read_observations", {"path": str(path), **values}, folder=str(tmp_path))


def test_observations_from_files(tmp_path):
    """Records below the default quality of 0.75 are dropped and counted in the summary and the record."""
    result = observe(tmp_path)
    assert open_observations(result["output"]).sizes == {"site": 1, "time": 12}
    assert result["summary"][0].startswith("12 records of reco at 1 site, 2004-01 to 2004-12")
    assert "12 records of quality below 0.75" in result["summary"]
    record = json.loads((tmp_path / "observations.run.json").read_text())
    assert record["citations"] == ["Pastorello et al. 2020, Scientific Data 7:225, doi:10.1038/s41597-020-0534-3"]


def two_networks(tmp_path):
    """Write a tower as two networks hold it, and return the folders."""
    for number, (network, value) in enumerate((("FLX", 3.0), ("AMF", 5.0))):
        months = oneflux.stamps("2003-01", 24, "MM")[12 * number:] if network == "FLX" else MONTHS
        text = oneflux.text(months, "MM", {"RECO_NT_VUT_REF": np.full(months.size, value)})
        name = oneflux.name() if network == "FLX" else "AMF_BE-Bra_FLUXNET_FULLSET_MM_2003-2004_3-5.csv"
        oneflux.write(tmp_path / network, text.replace(",0.9,", ",1,"), name)
    return tmp_path / "FLX", tmp_path / "AMF"


def test_networks_are_joined_by_a_rule_that_is_shown(tmp_path):
    """Folders separated by commas are one read; the summary and the record tell the rule, its counts and the files."""
    first, second = two_networks(tmp_path)
    result = run_step("read_observations", {"path": f"{second},{first}"}, folder=str(tmp_path))
    table = open_observations(result["output"])
    np.testing.assert_allclose(table["reco"].values, 3.0)
    assert "24 records of AmeriFlux dropped in favour of FLUXNET2015" in result["summary"]
    assert any("kept once, from the first of FLUXNET2015, AmeriFlux" in line for line in result["summary"])
    assert result["summary"][1] == "networks: FLUXNET2015 1 site"
    record = json.loads((tmp_path / "observations.run.json").read_text())
    assert {(entry["network"], entry["version"]) for entry in record["details"]["sources"]} == {
        ("AmeriFlux", "3-5"), ("FLUXNET2015", "1-4")}
    assert len(record["inputs"]) == 2
    turned = run_step("read_observations", {"path": [str(first), str(second)], "overlaps": "AmeriFlux,others"},
                      folder=str(tmp_path / "turned"))
    np.testing.assert_allclose(open_observations(turned["output"])["reco"].values, 5.0)
    with pytest.raises(ConfigError, match="'Amerifluxx' in overlaps"):
        run_step("read_observations", {"path": [str(first), str(second)], "overlaps": "Amerifluxx"},
                 folder=str(tmp_path))


def test_bad_records_do_not_shadow_good_ones(tmp_path):
    """A record of the preferred network that fails the quality control leaves its place to the other network."""
    first, second = two_networks(tmp_path)
    file = next(first.iterdir())
    rows = file.read_text().splitlines()
    at = rows[0].split(",").index("NEE_VUT_REF_QC")
    fields = rows[1].split(",")
    fields[at] = "0.1"
    file.write_text("\n".join([rows[0], ",".join(fields), *rows[2:]]) + "\n")
    result = run_step("read_observations", {"path": [str(first), str(second)]}, folder=str(tmp_path))
    values = open_observations(result["output"])["reco"].values[0]
    assert values[0] == 5.0
    np.testing.assert_allclose(values[1:], 3.0)


def test_towers_come_as_points_too(tmp_path):
    """The layer has each tower at its place, with years, records, class, network and mean flux."""
    pyogrio = pytest.importorskip("pyogrio")
    (tmp_path / "sites.csv").write_text("site,lat,lon,igbp\nBE-Bra,51.3,4.5,MF\n")
    result = observe(tmp_path, sites=str(tmp_path / "sites.csv"), points=str(tmp_path / "towers.gpkg"), qc_min=0)
    assert result["points"] == str(tmp_path / "towers.gpkg")
    meta, _, geometry, columns = pyogrio.raw.read(tmp_path / "towers.gpkg")
    assert np.frombuffer(geometry[0][5:], "<f8").tolist() == [4.5, 51.3]
    assert {name: column[0] for name, column in zip(meta["fields"], columns)} == {
        "site": "BE-Bra", "network": "FLUXNET2015", "igbp": "MF", "first_year": 2003, "last_year": 2004,
        "records": 24, "mean_reco": pytest.approx(0.9)}


def test_eight_day_steps_from_daily_files(tmp_path):
    """aggregate=8day gives 46 steps a year; fewer than least_days days with data give none."""
    days = oneflux.stamps("2003-01-01", 365, "DD")
    reco = np.where(np.arange(365) % 8 < 4, 2.0, np.nan)
    text = oneflux.text(days, "DD", {"RECO_NT_VUT_REF": reco})
    path = oneflux.write(tmp_path / "in", text, oneflux.name(resolution="DD"))
    steps = run_step("read_observations", {"path": str(path), "aggregate": "8day"}, folder=str(tmp_path))
    table = open_observations(steps["output"])
    assert (table.sizes["time"], table.attrs["time_step"]) == (46, "8day")
    with pytest.raises(SampleError, match=r"46 8-day steps that lack days \(5 of them are needed\)"):
        run_step("read_observations", {"path": str(path), "aggregate": "8day", "least_days": 5}, folder=str(tmp_path))


def test_quality_must_fit_the_resolution(tmp_path):
    """A share for half-hours, or a flag for months, ends with an error that names the file, and no output."""
    times = oneflux.stamps("2003-01-01", 96, "HH")
    path = oneflux.write(tmp_path / "in", oneflux.text(times, "HH", {"NEE_VUT_REF_QC": np.zeros(96)}),
                         oneflux.name(resolution="HH"))
    with pytest.raises(ConfigError, match=r"qc_min=0.75 does not fit.*FLX_BE-Bra.*_HH_"):
        run_step("read_observations", {"path": str(path), "qc_min": 0.75}, folder=str(tmp_path))
    with pytest.raises(ConfigError, match=r"qc_max=1 does not fit.*FLX_BE-Bra.*_MM_"):
        observe(tmp_path, qc_max=1)
    with pytest.raises(ConfigError, match="qc_min=2 does not fit"):
        observe(tmp_path, qc_min=2)
    assert not list(tmp_path.glob("observations*"))
    days = run_step("read_observations", {"path": str(path), "aggregate": "day"}, folder=str(tmp_path))
    np.testing.assert_allclose(open_observations(days["output"])["reco"].values, 0.9 * 1.0377504, rtol=1e-9)


def test_nothing_left_leaves_no_file(tmp_path):
    """An empty table after quality control is an error with the ledger, and nothing is written."""
    with pytest.raises(SampleError, match="1 records outside the period, 23 records of quality below 1"):
        observe(tmp_path, qc_min=1, period="2003-01/2004-11")
    assert not list(tmp_path.glob("observations*"))


def test_nothing_to_read_is_told(tmp_path):
    """Neither files nor a tower layer is an error."""
    with pytest.raises(ConfigError, match="nothing to read"):
        run_step("read_observations", {}, folder=str(tmp_path))


def test_world_is_what_its_equations_say(small_world):
    """Drivers, towers and truth of the files are those of the functions."""
    cube = world.make_drivers(12, 6, 3)
    import rasterio

    with rasterio.open(small_world["truth"]) as raster:
        assert raster.descriptions[:2] == ("2001-01", "2001-02")
        truth = raster.read()
    np.testing.assert_allclose(truth, world.monthly_total(world.respiration(cube)).values, rtol=1e-6)


def test_towers_and_grid_give_the_same_samples(small_world, tmp_path):
    """In the world, the drivers of the towers' table are those of their cells."""
    made = run_step("read_observations", {"path": small_world["observations"]}, folder=str(tmp_path))
    common = {"observations": made["output"], "features": "ta,lai,soc_0"}
    site = run_step("build_samples", {**common, "output": str(tmp_path / "site.nc")})
    grid = run_step("build_samples", {**common, "source": "grid", "drivers": small_world["drivers"],
                                      "output": str(tmp_path / "grid.nc")})
    a, b = open_samples(site["output"]), open_samples(grid["output"])
    assert a.sizes["sample"] == b.sizes["sample"] == 15 * 36
    assert (a.attrs["drivers_source"], b.attrs["drivers_source"]) == ("site", "grid")
    for name in ("ta", "lai", "soc_0", "target"):
        np.testing.assert_allclose(a[name].values, b[name].values, atol=2e-5, rtol=1e-5)


def test_gridded_drivers_need_their_source(small_world, tmp_path):
    """Drivers without source=grid, and source=grid without drivers, are refused rather than ignored."""
    made = run_step("read_observations", {"path": small_world["observations"]}, folder=str(tmp_path))
    with pytest.raises(ConfigError, match="source=site takes those measured"):
        run_step("build_samples", {"observations": made["output"], "drivers": small_world["drivers"]},
                 folder=str(tmp_path))
    with pytest.raises(ConfigError, match="source=grid needs drivers"):
        run_step("build_samples", {"observations": made["output"], "source": "grid"}, folder=str(tmp_path))


def test_same_seed_same_bytes(tmp_path):
    """The world, its observations and its samples are the same, byte for byte."""
    written = []
    for name in ("a", "b"):
        folder = str(tmp_path / name)
        made = run_step("make_world", {"cells": 6, "years": 2, "towers": 5}, folder=folder)
        table = run_step("read_observations", {"path": made["observations"]}, folder=folder)
        samples = run_step("build_samples", {"observations": table["output"]}, folder=folder)
        written.append([made["observations"], made["truth"], table["output"], samples["output"]])
    for one, two in zip(*written):
        assert open(one, "rb").read() == open(two, "rb").read(), one


def test_published_table_end_to_end(real_data, tmp_path):
    """The TER table becomes 6,363 samples of 110 sites through the steps alone."""
    path = real_data("flux_ter_causal_xgb_monthly/ter_site_month_drivers.csv.gz")
    table = run_step("read_observations", {"path": str(path), "qc_min": 0, "units": "reco=g C m-2 month-1"},
                     folder=str(tmp_path))
    result = run_step("build_samples", {"observations": table["output"]}, folder=str(tmp_path))
    assert result["summary"][0].startswith("6363 samples at 110 sites")


def test_a_stopped_step_takes_back_what_it_had_finished(tmp_path):
    """The towers are written first; stopped while it writes the cube, the step leaves nothing, older files stay."""
    older = tmp_path / "truth.tif"
    older.write_bytes(b"older")
    seen = []
    progress = Progress(lambda fraction, message: seen.append((tmp_path / "towers.csv").exists()),
                        stopped=lambda: any(seen))
    with pytest.raises(Cancelled):
        run_step("make_world", {"cells": 400, "years": 4, "towers": 3}, progress, folder=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["truth.tif"]
    assert older.read_bytes() == b"older"


def test_a_table_that_is_read_stays_as_it_is(small_world, tmp_path):
    """The CSV that lies beside the observations never takes the place of the user's own table."""
    own = tmp_path / "towers.csv"
    own.write_bytes(Path(small_world["observations"]).read_bytes())
    before = own.read_bytes()
    with pytest.raises(ConfigError, match="is an input"):
        run_step("read_observations", {"path": str(own), "output": str(tmp_path / "towers.nc")})
    assert own.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["towers.csv"]
