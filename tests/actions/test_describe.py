"""The step describe: on every real file, on what RECO wrote, on small files of every kind, and on garbage."""

from __future__ import annotations

import gzip
import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import oneflux
from rasters import field, grid, months, save
from reco_core import cli
from reco_core.actions import run_step
from reco_core.errors import RecoError, SchemaError
from reco_core.io.describe import files as looking
from reco_core.io.describe.description import first_bytes, is_text, size_words, span_words
from reco_core.io.describe.files import describe

ON = grid()
UNKNOWN = (".cbf", ".gri")
# what the answer must say of files of some kinds, by a part of the path
TRUE = {
    "flux_warmwinter2020_mm/FLX_DE-Tha": ("Tower file", "DE-Tha", "Warm Winter 2020", "1996-01 to 2020-12, 300"),
    "flux_fluxnet2015_subset_dd/FLX_AT-Neu": ("daily, SUBSET", "2002-01-01 to 2012-12-31, 4018"),
    "ERAI_DD_1989-2020": ("Table", "ta", "TA_ERA"),
    "flux_warmwinter2020_mm/warmwinter2020_monthly_merged": ("58: BE-Bra", "1996-01 to 2020-12", "lloyd_taylor"),
    "abcflux_reco_monthly_drivers": ("reco?", "its name says gC_m2_month", "named with --columns"),
    "ter_site_month_drivers": ("110:", "soc_30", "Precipation"),
    "cardamom_fluxval_monthly_observed": ("164:", "RECO_NEE_PLUS_GPP", "lat "),
    "indicators.nc": ("1950 to 1999, 50 annual steps", "meantemp", "totalpr", "EPSG:4326"),
    "daily_surface_cancities": ("that RECO does not read as drivers", "location 5", "no regular grid", "tasmin"),
    "moselle_monthly_24km": ("9 x 6 cells", "EPSG:3035", "eabs", "Pa", "37 %", "thornthwaite, hargreaves"),
    "original/dem.asc.gz": ("432 x 288 cells of 500", "elevation", "no CRS"),
    "gimms_ndvi3gv0": ("half-month", "ndvi"),
    "modis_evi_megadrought_chile": ("EPSG:32719", "8-day", "v_top"),
    "modisraster.tif": ("275", "2000-02-18"),
    "ndvi.grd": ("RRASTER", "6 missing between them"),
    "MOD09A1.A2017193": ("MODIS granule", "2017-07-12", "scale 0.0001", "sur_refl_b01", "can be derived", "lswi"),
    "MOD11A1.hdf": ("MOD11A1", "1200 x 1200", "lst_day", "read_satellite"),
    "VI_16Days_500m": ("23 rasters", "MOD13A1", "2016-01-01 to 2016-12-18"),
    "test_modis.hdf": ("MCD15A2", "lai"),
    "AT_Neu_Jul_2010.rda": ("R workspace", "AT_Neu_Jul_2010", "saveRDS"),
    "spei_12_vector.rds": ("R object",),
    "Example_DETha98.txt.gz": ("17,521", "12 columns"),
    "srdb-data.csv": ("SRDB", "--flux rs"),
    "cosore_port_daily_means": ("COSORE", "127,903"),
    "d20190526_RAICH_survey/data/data.RDS": ("R data frame", "4,858"),
    "modis_site_statistics": ("5: AU-Cum", "2000-02-18"),
    "CG-Tch.modis": ("7671", "EVI"),
    "README.md": ("Text, no data that RECO reads",),
    "original_format_finaldataset_rs": ("2,692",),
    "china_rs_monthly": ("lat", "lon"),
}


def said(path, **values) -> str:
    """Return what the step says, as one text."""
    return "\n".join(run_step("describe", {"path": str(path), **values})["summary"])


def test_every_real_file(real_data):
    """No traceback and no warning on any file; each answer names its file, and what is known of it is said."""
    root = real_data("README.md").parent
    files = sorted(path for path in root.rglob("*") if path.is_file())
    files = [path for path in files if not path.name.startswith("validation_") or "_A" in path.name]  # all are alike
    met = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in files:
            if path.suffix in UNKNOWN:
                with pytest.raises(SchemaError, match="of no kind that RECO knows.*begins with") as caught:
                    said(path)
                assert path.name in caught.value.message
                continue
            text = said(path)
            assert text.startswith(f"{path.name}: "), path
            assert "Traceback" not in text
            for part, words in TRUE.items():
                if part in str(path):
                    met.add(part)
                    assert [word for word in words if word not in text] == [], f"{path}\n{text}"
    assert set(TRUE) == met


def test_every_real_folder(real_data):
    """Folders say how many files of which kind they hold."""
    root = real_data("README.md").parent
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        assert f"{folder.name}: " in said(folder)
    towers = said(root / "flux_warmwinter2020_mm")
    assert "58 files of 58 sites, 1996 to 2020" in towers
    assert "in 58 of 58 files looked at" in towers
    assert "data sets     5: d20190424_ZHANG_maple" in said(root / "soil_cosore")
    assert "reco read_satellite" in said(root / "modis_hdf4_samples")


def test_tower_file(tmp_path):
    """Site, period, gaps of the flux, quality and drivers of a file, and what methods can do with it."""
    times = oneflux.stamps("2003-01", 24, "MM")
    values = {"RECO_NT_VUT_REF": np.r_[np.full(6, np.nan), np.full(18, 2.0)],
              "NEE_VUT_REF_QC": np.r_[np.full(12, 0.5), np.full(12, 0.9)]}
    path = oneflux.write(tmp_path, oneflux.text(times, "MM", values), oneflux.name(), "gz")
    text = said(path)
    assert "period        2003-01 to 2004-12, 24 monthly steps" in text
    assert "RECO_NT_VUT_REF: 18 of 24 values" in text
    assert "50 % of the values are 0.75 or better" in text
    assert "25 %" in text
    assert f"Read it with: reco read_observations --path {path}" in text


def test_raster_with_gaps_and_packing(tmp_path):
    """Grid, dates, packing, nodata and the share of missing cells of a GeoTIFF."""
    values = field(3, ON, low=0, high=1000).round()
    values[:, :2] = -3000
    path = save(tmp_path / "lai_monthly.tif", values, ON, names=months("2001-01", 3), nodata=-3000, dtype="int16",
                scale=(0.01, 0.0))
    text = said(path)
    for words in ("8 x 10 cells of 0.5 x 0.5 degrees", "2001-01 to 2001-03, 3 monthly steps",
                  "int16, x 0.01, nodata -3000", "lai ", "25 %", "smooth lai"):
        assert words in text


def test_netcdf_without_dates(tmp_path):
    """A file whose time axis cannot be read says what it has and why it is not read."""
    ds = xr.Dataset({"tas": (("step", "lat", "lon"), np.ones((4, 3, 3)))},
                    coords={"lat": [3.0, 2, 1], "lon": [1.0, 2, 3], "step": [7, 7, 9, 2]})
    ds["step"].attrs["standard_name"] = "time"
    ds.to_netcdf(tmp_path / "odd.nc")
    text = said(tmp_path / "odd.nc")
    assert "that RECO does not read as drivers" in text
    assert "has no dates" in text
    assert "ta " in text


def test_tables_and_guesses(tmp_path):
    """Names that RECO knows, guesses from parts of names, units that names tell, and values that do not fit."""
    lines = ["station,date,RECO,soil_temp_K,RH,pressure,remark"]
    lines += [f"S{at % 2},2001-{at // 2 + 1:02d},{2 + at},{280 + at},{60 + at},{990 + at},dry" for at in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    text = said(tmp_path / "t.csv")
    assert "sites         2: S0, S1" in text
    assert "period        2001-01 to 2001-12, 12 monthly steps" in text
    rows = {line.split()[1]: line for line in text.splitlines() if line.startswith("  ") and len(line.split()) > 1}
    assert rows["RECO"].split()[0] == "reco"
    assert rows["soil_temp_K"].split()[0] == "ts?"
    assert "its name says K" in rows["soil_temp_K"]
    assert rows["RH"].split()[0] == "-"
    assert "values do not fit rh" in rows["RH"]
    assert "values do not fit pa" in rows["pressure"]
    assert "text, 1 value such as 'dry'" in rows["remark"]


def test_large_tables_are_looked_at_in_part(tmp_path, monkeypatch):
    """Of a large table the beginning is read, whole lines of it, and the answer says so."""
    monkeypatch.setattr(looking, "MOST_TEXT", 1000)
    monkeypatch.setattr(looking, "MOST_PACKED", 100)
    monkeypatch.setattr(looking, "LOOKED_AT", 504)
    text = "site,time,reco\n" + "".join(f"S,{1900 + at},{at}\n" for at in range(100))
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("t.csv", "t.csv.gz"):
        found = said(tmp_path / name)
        assert found.startswith(f"{name}: Table")
        assert "Only the first 504 bytes were looked at" in found
        assert "rows          49, 3 columns" in found


def test_several_files_on_one_page(tmp_path):
    """Several paths are told one after the other, and stand on one page."""
    (tmp_path / "a.csv").write_text("site,time,reco\nA,2001-01,1\nA,2001-02,2\n")
    path = save(tmp_path / "ta.tif", field(2, ON), ON, names=months("2001-01", 2), units="degC")
    result = run_step("describe", {"path": f"{tmp_path / 'a.csv'},{path}", "output": str(tmp_path / "d.html")})
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert result["output"] == str(tmp_path / "d.html")
    assert "a.csv: Table" in page and "ta.tif: Raster (GTiff, 2 bands)" in page
    assert page.count("<h2>") >= 5


def test_what_reco_wrote(tmp_path):
    """Observations, samples, cubes, models, scores, links, maps, run records and folders of them are known."""
    run_step("make_world", {"cells": 12, "years": 2, "towers": 8}, folder=str(tmp_path))
    run_step("read_observations", {"path": str(tmp_path / "towers.csv")}, folder=str(tmp_path))
    run_step("build_samples", {"observations": str(tmp_path / "observations.nc")}, folder=str(tmp_path))
    common = {"samples": str(tmp_path / "samples.nc"), "model": "lloyd_taylor", "folds": 3}
    run_step("fit", {**common, "output": str(tmp_path / "model")})
    run_step("evaluate", common, folder=str(tmp_path))
    run_step("find_links", {"samples": str(tmp_path / "samples.nc")}, folder=str(tmp_path))
    for name, words in {
            "observations.nc": ("Observations that RECO wrote", "192 records",
                                "lloyd_taylor      all its drivers are here"),
            "samples.nc": ("Samples that RECO wrote", "192 at 8 sites", "g C m-2 month-1"),
            "drivers.zarr": ("Driver cube that RECO wrote", "2001-01 to 2002-12, 24 monthly steps", "derive_pet"),
            "model": ("Fitted model that RECO wrote; all files are whole", "lloyd_taylor", "8 sites"),
            "scores.csv": ("Scores that RECO wrote",), "links.json": ("Causal links that RECO wrote", "ta, soc_0, lai"),
            "truth.tif": ("Map that RECO wrote (make_world, 24 bands)", "g C m-2 month-1"),
            "observations_ledger.csv": ("Ledger that RECO wrote",), "samples.csv": ("Samples that RECO wrote, as CSV",),
            "observations_towers.gpkg": ("8 point features", "EPSG:4326"),
            "model.run.json": ("Run record that RECO wrote", "fit (Fit a model)")}.items():
        text = said(tmp_path / name)
        assert [word for word in words if word not in text] == [], text
    whole = said(tmp_path)
    assert "1 Zarr store" in whole and "drivers.zarr  " in whole
    shutil.copy(tmp_path / "model.run.json", tmp_path / "run.json")
    assert "Results that RECO wrote" in said(tmp_path)
    weights = next((tmp_path / "model").glob("reference.npz"))
    weights.write_bytes(b"changed")
    with pytest.raises(RecoError, match="was changed"):
        said(tmp_path / "model")


def garbage(folder: Path) -> dict[str, tuple[Path, str]]:
    """Return files that cannot be read, each with a part of what must be said."""
    noise = np.random.default_rng(7).bytes(3000)
    good = save(folder / "good.tif", field(3, ON), ON, names=months("2001-01", 3))
    xr.Dataset({"ta": (("y", "x"), np.zeros((40, 40)))}).to_netcdf(folder / "good.nc")
    content = {
        "empty.csv": (b"", "0 bytes"), "noise.bin": (noise, "binary data of no known kind"),
        "noise.nc": (noise, "binary data"), "noise.tif": (noise, "binary data"), "noise.zip": (noise, "binary data"),
        "noise.rds": (noise, "binary data"), "noise.parquet": (noise, "not a parquet file"),
        "noise.gpkg": (noise, "not a vector file"), "noise.csv.gz": (noise, "damaged or cut off"),
        "page.nc": (b"<!DOCTYPE html><html>login</html>", "a web page or XML"),
        "ragged.csv": (b"a,b\n1,2,3\n", "more fields"), "bad.json": (b'{"a": [1,', "no JSON"),
        "bad.toml": (b"[[step]", "no TOML"), "cut.tif": (Path(good).read_bytes()[:200], "TIFF"),
        "cut.nc": ((folder / "good.nc").read_bytes()[:900], "HDF5 or NetCDF4"),
        "cut.csv.gz": (gzip.compress(b"site,time,reco\n" * 9000)[:60], "gzip"),
        "cut.RData": (gzip.compress(b"RDX3\n" + noise)[:500], "gzip"),
        "odd.RData": (gzip.compress(b"hello"), "holds no workspace"),
        oneflux.name(): (b"TIMESTAMP,RECO_NT_VUT", "cut off in its first line"),
        "cut.hdf": (b"\x0e\x03\x13\x01" + noise[:50], "HDF4"), "binary.csv": (b"a,b\n\x00\x01\x02", "binary data"),
    }
    found = {}
    for name, (data, words) in content.items():
        (folder / name).write_bytes(data)
        found[name] = (folder / name, words)
    with zipfile.ZipFile(folder / "climbs.zip", "w") as archive:
        archive.writestr("../evil.csv", "a")
    with zipfile.ZipFile(folder / "book.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    (folder / "nothing").mkdir()
    return {**found, "climbs.zip": (folder / "climbs.zip", "climbs out of it"),
            "book.xlsx": (folder / "book.xlsx", "spreadsheet"), "nothing": (folder / "nothing", "is empty"),
            "absent": (folder / "absent.nc", "There is no file")}


def test_garbage(tmp_path, capsys):
    """Each file that cannot be read says what its first bytes look like and which error came; the exit code is 3."""
    for name, (path, words) in garbage(tmp_path).items():
        code = cli.main(["describe", "--path", str(path), "--progress", "none"])
        told = capsys.readouterr()
        assert code == 3, f"{name}: {told}"
        assert words in told.err, f"{name}: {told.err}"
        assert "hint: " in told.err
        assert "Traceback" not in told.err


def test_folder_with_garbage_is_still_told(tmp_path):
    """One damaged file in a folder is named; the others are described."""
    garbage(tmp_path)
    text = said(tmp_path)
    assert "good.tif" in text
    assert "noise.tif" in text or "noise.nc" in text


def test_nothing_is_written_and_no_handle_stays(tmp_path):
    """Looking changes nothing: no file appears, and the file can be replaced afterwards."""
    path = tmp_path / "a.nc"
    xr.Dataset({"ta": (("y", "x"), np.zeros((4, 4)))}, {"y": [4.0, 3, 2, 1], "x": [1.0, 2, 3, 4]}).to_netcdf(path)
    describe(path)
    assert [item.name for item in tmp_path.iterdir()] == ["a.nc"]


def test_zip_members(tmp_path):
    """A member of a zip is described by its path; a zip with one table is that table."""
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("folder/t.csv", "site,time,reco\nA,2001-01,1\nA,2001-02,2\n")
    assert "Table, in a zip archive" in said(tmp_path / "one.zip")
    assert said(tmp_path / "one.zip" / "folder" / "t.csv").startswith("one.zip/folder/t.csv: Table")


def test_paths_with_spaces_are_quoted(tmp_path):
    """The command that reads a file can be pasted into a terminal."""
    path = save(tmp_path / "my drivers" / "ta.tif", field(2, ON), ON, names=months("2001-01", 2))
    assert f"reco read_drivers --drivers '{path}'" in said(path)


def test_run_record_of_a_description(tmp_path):
    """A description with a page leaves a record beside it, as every step does."""
    (tmp_path / "a.csv").write_text("site,time,reco\nA,2001-01,1\n")
    run_step("describe", {"path": str(tmp_path / "a.csv"), "output": str(tmp_path / "d.html")})
    assert json.loads((tmp_path / "d.run.json").read_text())["step"] == "describe"


def test_words():
    """First bytes, sizes and periods in words."""
    assert first_bytes(b"PK\x03\x04abcd").startswith("zip ")
    assert first_bytes(b"site,time\nA") == "text (it begins with 'site,time')"
    assert first_bytes(b"") == "nothing: it is empty"
    assert not is_text(b"a\x00b")
    assert size_words(2_071_045) == "2.07 MB"
    days = np.array(["2001-01-01", "2001-02-01", "2001-05-01"], "datetime64[D]")
    assert span_words(days, "month") == "2001-01 to 2001-05, 3 monthly steps, 2 missing between them"
    assert span_words(days[:1], "") == "2001-01-01, 1 date"
