"""A result folder becomes a page whose numbers are those of its rasters."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from reco_core import world
from reco_core.actions.report_survey import Survey
from reco_core.actions.reports import gather, presentable, report, result_paths, write_report
from reco_core.errors import Cancelled, GridError, SchemaError
from reco_core.evaluation.crossval import Predictions, score_rows, summarise
from reco_core.explain.maps import dominant_driver, group_shares, shares
from reco_core.io.artifact import model_id, write_artifact
from reco_core.io.dependence import write_dependence
from reco_core.io.rasters.geotiff import RasterWriter
from reco_core.io.rasters.grid import Grid, parse_crs
from reco_core.io.rasters.read import RasterReader
from reco_core.progress import SILENT, Progress
from reco_core.trends.maps import NAMES, trend_maps, trend_units
from reco_core.vocabulary import variable

YEARS, ROWS, COLUMNS = 10, 24, 12
NAMES_OF_DRIVERS = ("ta", "lai", "soc_0")
UNIT = "g C m-2 month-1"


def write(path, grid, bands, values, **options):
    """Write a raster at once."""
    with RasterWriter(path, grid, bands, **{"unit": UNIT, **options}) as writer:
        writer.write(np.asarray(values, dtype="float32"), 0, 0)


@pytest.fixture(scope="module")
def truth():
    """Return the synthetic world as drivers and monthly totals (time, y, x), one cell missing."""
    drivers = world.make_drivers(ROWS, COLUMNS, YEARS)
    flux = world.monthly_total(world.respiration(drivers)).transpose("time", "y", "x").values.copy()
    flux[:, 0, 0] = np.nan
    return drivers, flux


@pytest.fixture(scope="module")
def folder(truth, tmp_path_factory):
    """Return a folder as estimate_region writes it: rasters, dependence sample, model and run record."""
    drivers, flux = truth
    path = tmp_path_factory.mktemp("result")
    grid = Grid.of(drivers)
    times = [str(time)[:7] for time in drivers["time"].values]
    write(path / "reco.tif", grid, times, flux)
    write(path / "spread.tif", grid, times, 0.1 * flux)
    write(path / "seed_spread.tif", grid, times, 0.02 * flux)
    outside = np.where(np.arange(ROWS)[:, None] >= ROWS - 6, 0.2, 0.9) + 0 * flux
    write(path / "applicability.tif", grid, times, outside, unit="1")
    size = np.stack([np.full((ROWS, COLUMNS), 2.0), 1 + np.arange(ROWS)[:, None] / 8 + np.zeros((ROWS, COLUMNS)),
                     np.full((ROWS, COLUMNS), 0.5)])
    size[:, 0, 0] = 0
    share = shares(size)
    write(path / "shares.tif", grid, NAMES_OF_DRIVERS, share, unit="1")
    groups = [variable(name).group for name in NAMES_OF_DRIVERS]
    write(path / "contribution_groups.tif", grid, ("environment", "biotic", "spatiotemporal"),
          group_shares(share, groups), unit="1", tags={"ADDITIVITY_ERROR": "3e-06"})
    write(path / "dominant_driver.tif", grid, ("dominant",), dominant_driver(share)[None], dtype="uint8", unit="1")
    maps = trend_maps(flux.reshape(YEARS, 12, ROWS, COLUMNS).sum(axis=1), 2001.0 + np.arange(YEARS))
    write(path / "trend.tif", grid, NAMES, np.stack([maps[name] for name in NAMES]),
          unit=trend_units("g C m-2 yr-1"))
    rng = np.random.default_rng(0)
    pick = rng.integers(0, [len(times), ROWS, COLUMNS], (600, 3))
    write_dependence(path / "dependence.csv", {"time": [times[i] for i in pick[:, 0]], "row": pick[:, 1],
                                               "col": pick[:, 2]}, NAMES_OF_DRIVERS, rng.normal(10, 5, (600, 3)),
                     rng.normal(0, 4, (600, 3)))
    record = {"reco_version": "0.1.0", "step": "estimate_region", "parameters": {"members": "one_per_fold"},
              "outputs": {"flux": "elsewhere/reco.tif"}, "inputs": {}, "versions": {}, "citations": []}
    (path / "run.json").write_text(json.dumps(record))
    return path


@pytest.fixture(scope="module")
def predictions():
    """Return held-out estimates of 30 sites in two classes; one class is not predictable."""
    rng = np.random.default_rng(3)
    site = np.repeat([f"S{i:02d}" for i in range(30)], 20)
    stratum = np.where(np.arange(600) < 100, "EBF", "GRA")
    observed = rng.gamma(3, 30, 600)
    estimate = np.where(stratum == "EBF", 250 - observed, observed + rng.normal(0, 20, 600))
    fold = np.repeat(np.arange(30) % 10, 20)[None]
    return Predictions(observed, estimate[None], fold, "grouped", site, stratum, site)


@pytest.fixture(scope="module")
def model(predictions, tmp_path_factory):
    """Return a model folder that knows its skill and was trained from 2003 to 2008."""
    path = tmp_path_factory.mktemp("fitted") / "model"
    features = [{"name": name, "unit": variable(name).unit, "long_name": variable(name).long_name,
                 "group": variable(name).group, "low": 0.0, "high": 1.0} for name in NAMES_OF_DRIVERS]
    meta = {"name": "causal_xgboost", "features": features, "target_unit": UNIT, "time_step": "month",
            "flux_kind": "reco", "strata": [], "folds": [{}] * 10, "scores": summarise(predictions),
            "links": {}, "provenance": {"first": "2003-01", "last": "2008-12", "seeds": [1, 2],
                                        "citations": ["Some paper"]}}
    arrays = {"y": predictions.observed, "held_out": predictions.estimates[0], "site": predictions.site,
              "stratum": predictions.stratum}
    return write_artifact(path, meta, {}, arrays, {})


@pytest.fixture(scope="module")
def gathered(folder, model):
    """Return what the report of the folder is made from."""
    record = json.loads((folder / "run.json").read_text())
    return gather(folder, title="A world", record=record, model=str(model))


def test_numbers_are_those_of_the_rasters(gathered, truth):
    """Mean, total, spread, applicable share, dominance and trend follow from the cells and their areas."""
    drivers, flux = truth
    area = Grid.of(drivers).cell_area_m2()
    known = np.isfinite(flux[0])
    numbers = gathered.numbers
    total = np.nansum(flux * area, axis=(1, 2))
    assert numbers["total_per_year"] == pytest.approx(total.sum() / YEARS, rel=1e-5)
    assert numbers["mean"] == pytest.approx(total.mean() / area[known].sum(), rel=1e-5)
    assert numbers["relative_spread"] == pytest.approx(0.1, rel=1e-5)
    assert numbers["seed_spread"] == pytest.approx(0.2 * numbers["spread"], rel=1e-5)
    assert numbers["applicable"] == pytest.approx(area[:-6][known[:-6]].sum() / area[known].sum(), rel=1e-6)
    assert numbers["area"] == pytest.approx(area[known].sum())
    shares_of_area = [gathered.driver_numbers[name]["dominant"] for name in NAMES_OF_DRIVERS]
    rows = np.arange(ROWS)[:, None] + np.zeros(COLUMNS)
    assert shares_of_area[1] == pytest.approx(area[known & (rows > 8)].sum() / area[known].sum())
    assert sum(shares_of_area) == pytest.approx(1.0)
    assert numbers["trend_up"] > 0.95
    assert gathered.trend_unit == "g C m-2 yr-2"


def test_series_has_both_halves_of_the_earth(gathered, truth):
    """A region on both sides of the equator has a mean year for each, half a year apart."""
    north, south = gathered.series.zones.values()
    year = [np.asarray(values).reshape(YEARS, 12).mean(axis=0) for values in (north, south)]
    assert int(np.argmax(year[0])) + 1 == 7
    assert int(np.argmax(year[1])) + 1 == 1


def test_warnings_say_what_to_beware_of(gathered):
    """Outside training years, outside the area of applicability, few drivers, weak class and members are named."""
    text = " ".join(note.text for note in gathered.notes)
    for words in ("in 4 of 10 years outside the training years (2003 to 2008)", "outside the area of applicability",
                  "3 drivers only: air temperature, leaf area index and soil organic carbon", "EBF", "one_per_fold",
                  "3e-06"):
        assert words in text, words


def test_skill_is_that_of_the_model(gathered, predictions):
    """Pooled, median and class scores come from the model; its held-out estimates make the scatter."""
    skill = gathered.skill
    assert skill.scheme == "grouped"
    assert (skill.folds, skill.sites) == (10, 30)
    assert skill.pooled()["r2_nse"] == pytest.approx(score_rows(predictions)[0]["r2_nse"])
    assert [row.scope for row in skill.classes()] == ["EBF", "GRA"]
    np.testing.assert_array_equal(skill.held.observed, predictions.observed)


def test_score_table_comes_before_what_the_model_kept(folder, model, predictions, tmp_path):
    """A table of evaluate replaces the model's own grouped scores and adds other schemes."""
    table = pd.DataFrame(score_rows(predictions))
    random = table.assign(scheme="random (optimistic)", r2_nse=0.99)
    table["r2_nse"] = 0.123
    path = tmp_path / "scores.csv"
    pd.concat([table, random]).to_csv(path, index=False)
    skill = gather(folder, title="", record={}, model=str(model), scores=str(path)).skill
    assert skill.pooled()["r2_nse"] == 0.123
    assert skill.pooled("random")["r2_nse"] == 0.99


def test_the_step_writes_one_file(folder, model, tmp_path):
    """The action leaves the page and nothing else, with all kinds of figures in it."""
    output = tmp_path / "out" / "report.html"
    result = report(folder=str(folder), title="A <world>", model=str(model), scores=None, output=str(output),
                    progress=SILENT)
    html = output.read_text(encoding="utf-8")
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]
    assert result["output"] == str(output)
    assert "A &lt;world&gt;" in html
    assert "Some paper" in html
    for name in ("flux", "spread", "applicability", "seasons", "series", "season", "groups", "dominant", "shares",
                 "dependence", "contribution_year", "trend", "relative_trend", "scatter", "class_skill", "importance"):
        assert f'id="fig-{name}"' in html, name


def test_paths_of_a_machine_stay_there():
    """A page that is passed on names files by folder and name, not by the home of its maker."""
    record = {"parameters": {"drivers": "/data/alps/era/t2m.nc", "layers": ["C:\\Users\\me\\x\\lai.tif"], "seeds": 20},
              "inputs": {"/data/alps/era/t2m.nc": "sha256:1"}, "outputs": {"flux": "maps/reco.tif"}}
    shown = presentable(record)
    assert shown["parameters"] == {"drivers": "era/t2m.nc", "layers": ["x/lai.tif"], "seeds": 20}
    assert list(shown["inputs"]) == ["era/t2m.nc"]
    assert shown["outputs"]["flux"] == "maps/reco.tif"


def test_parameters_of_a_fit_are_shown_only_if_there_was_one():
    """Where a fitted model was given, the seeds and folds that would steer a fit are not those of the model."""
    parameters = {"model": "model", "seeds": 20, "method": "causal_xgboost", "members": "all"}
    assert presentable({"parameters": parameters})["parameters"] == {"model": "model", "members": "all"}
    assert "seeds" in presentable({"parameters": {**parameters, "model": None}})["parameters"]


def test_drawing_can_be_stopped(folder, model, tmp_path):
    """Asked to stop between two figures, the report stops and leaves nothing."""
    seen = []
    progress = Progress(lambda fraction, message: seen.append(message), lambda: any("Drawing" in m for m in seen))
    with pytest.raises(Cancelled):
        write_report(folder, tmp_path / "report.html", title="", record={}, model=str(model), progress=progress)
    assert list(tmp_path.iterdir()) == []
    assert sum("Drawing" in message for message in seen) == 1


def test_large_rasters_are_drawn_small(tmp_path):
    """A raster of 1300 cells a side is coarsened for the picture; its numbers are exact."""
    grid = Grid("EPSG:3035", (100.0, 0.0, 4e6, 0.0, -100.0, 3e6), 1300, 700)
    values = np.random.default_rng(0).uniform(0, 100, (2, 1300, 700)).astype("float32")
    values[:, :, 650:] = np.nan
    write(tmp_path / "rh.tif", grid, ("2001", "2002"), values, unit="g C m-2 yr-1")
    survey = Survey(result_paths(tmp_path, {}))
    found = survey.read(SILENT)
    assert found["maps"]["flux"].shape == (325, 175)
    assert survey.frame.right == 4e6 + 700 * 100.0
    assert found["numbers"]["total_per_year"] == pytest.approx(np.nansum(values, dtype="float64") * 1e4 / 2)
    np.testing.assert_allclose(found["maps"]["flux"][0, 0], values[:, :4, :4].mean(), rtol=1e-5)


def test_folder_without_estimate_is_refused(tmp_path):
    """A folder without the flux is no result folder."""
    with pytest.raises(SchemaError, match="holds no estimate"):
        result_paths(tmp_path, {})


def test_rasters_of_another_run_are_refused(folder, tmp_path):
    """A spread on another grid is named."""
    grid = Grid("EPSG:4326", (5.0, 0.0, 0.0, 0.0, -5.0, 60.0), ROWS, COLUMNS)
    write(tmp_path / "reco.tif", grid, ("2001",), np.ones((1, ROWS, COLUMNS)))
    other = Grid("EPSG:4326", (5.0, 0.0, 0.0, 0.0, -5.0, 60.0), ROWS, COLUMNS - 1)
    write(tmp_path / "spread.tif", other, ("2001",), np.ones((1, ROWS, COLUMNS - 1)))
    with pytest.raises(GridError, match=r"spread\.tif"):
        write_report(tmp_path, tmp_path / "report.html", title="", record={})
    assert not (tmp_path / "report.html").exists()


def test_several_models_are_compared(folder, tmp_path, model):
    """A table whose rows name their run stands behind the model's own scores, one line a run."""
    path = tmp_path / "scores.csv"
    path.write_text("run,scheme,level,name,n,r2_nse,mae\nfirst one,grouped,pooled,all,9,0.5,12.25\n"
                    "first one,grouped,class,ENF,9,0.4,13\nsecond,loso,pooled,all,9,0.25,14\n")
    skill = gather(folder, title="", record={}, model=str(model), scores=str(path)).skill
    assert [(row.scope, row.scheme, row.values["mae"]) for row in skill.compared] == [
        ("first one", "grouped", 12.25), ("second", "loso", 14.0)]
    assert skill.rows and all(row.kind != "compared" for row in skill.rows)
    output = tmp_path / "report.html"
    report(folder=str(folder), title="A world", model=str(model), scores=str(path), output=str(output), progress=SILENT)
    text = output.read_text(encoding="utf-8")
    assert text.index("Whole sites held out") < text.index("first one") < text.index("second")


def test_table_without_scores_is_refused(folder, tmp_path):
    """A score table that lacks a column is named with the column."""
    path = tmp_path / "scores.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SchemaError, match="no column 'scheme'"):
        gather(folder, title="", record={}, scores=str(path))


def test_cells_beyond_the_earth_have_no_area(tmp_path):
    """Corners of a world map that lie on no place take nothing from the numbers of the rest."""
    grid = Grid(parse_crs("ESRI:54030").to_wkt(), (3.4e6, 0.0, -17e6, 0.0, -1.72e6, 8.6e6), 10, 10)
    values = np.where(np.isfinite(grid.cell_area_m2()), 5.0, np.nan)
    assert np.isnan(values).any()
    write(tmp_path / "reco.tif", grid, ["2001-01"], values[None])
    numbers = Survey({"flux": tmp_path / "reco.tif"}).read(SILENT)["numbers"]
    assert numbers["mean"] == pytest.approx(5.0)
    assert 4e14 < numbers["area"] < 5.2e14


@pytest.mark.parametrize(("maker", "warned"), [("of the maps", False), ("another", True)])
def test_a_report_with_another_model_opens_with_a_warning(folder, model, tmp_path, maker, warned):
    """Rasters know the model that made them; skill of another one must not stand beside them unsaid."""
    maker = model_id(model) if maker == "of the maps" else "0123456789ab"
    with RasterReader(folder / "reco.tif") as reader:
        values = reader.read(slice(0, ROWS), slice(0, COLUMNS))
        write(tmp_path / "reco.tif", reader.info.grid, reader.info.bands, values, tags={"MODEL_ID": maker})
    notes = gather(tmp_path, title="T", record={}, model=str(model)).notes
    assert any("0123456789ab" in note.text and note.grave for note in notes) == warned
