"""Terrain in tiles, and soils behind mapping units."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from rasters import WGS84, grid, save
from reco_core.errors import GridError, SchemaError
from reco_core.io.drivers.files import open_drivers
from reco_core.io.drivers.hwsd import read_table
from reco_core.io.rasters.grid import Grid

SIDE = 1201
STEP = 1 / (SIDE - 1)
COLUMNS = "ID,MU_GLOBAL,ISSOIL,SHARE,SEQ,T_GRAVEL,T_SAND,T_SILT,T_CLAY,T_REF_BULK_DENSITY,T_BULK_DENSITY,T_OC"
ROWS = ("1,7001,1,60,1,10,40,40,20,1.4,1.3,2.0", "2,7001,1,30,2,20,60,30,10,1.5,1.5,1.0",
        "3,7001,0,10,3,,,,,,,", "4,9000,0,100,1,,,,,,,")


def terrain(south, west):
    """Return elevations that neighbouring tiles share along their edges."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return (1000 + 30 * (south + 1 - y * STEP) + 10 * (west + x * STEP)).round().astype("int16")


def hgt(folder, south, west, void=False):
    """Write a tile of SRTM: rows of big-endian integers, without any header."""
    values = terrain(south, west)
    if void:
        values[600, 600] = -32768
    path = folder / f"N{south:02d}E{west:03d}.hgt"
    values.astype(">i2").tofile(path)
    return str(path)


def test_srtm_tiles_become_one_grid(tmp_path):
    """Tiles share their edges; where one is absent there is nothing; voids are missing."""
    paths = [hgt(tmp_path, 47, 6), hgt(tmp_path, 48, 6, void=True), hgt(tmp_path, 47, 7)]
    ds = open_drivers(paths)
    assert list(ds.data_vars) == ["elevation"] and ds["elevation"].attrs["units"] == "m"
    assert (ds.sizes["y"], ds.sizes["x"]) == (2 * SIDE - 1, 2 * SIDE - 1)
    assert Grid.of(ds).bounds == pytest.approx((6 - STEP / 2, 47 - STEP / 2, 8 + STEP / 2, 49 + STEP / 2))
    window = ds["elevation"].isel(y=slice(SIDE - 3, SIDE + 3), x=slice(SIDE - 3, SIDE + 3)).values
    assert np.array_equal(window[2:, :3], terrain(47, 6)[:4, -3:].astype("float32"))
    assert np.isfinite(window[2:]).all() and np.isfinite(window[:2, :3]).all() and np.isnan(window[:2, 3:]).all()
    assert np.isnan(ds["elevation"].values[600, 600])
    assert "'elevation' is a mosaic of 3 tiles" in ds.attrs["notes"]


def test_merit_tiles(tmp_path):
    """MERIT has GeoTIFF tiles with -9999 at sea; other names need the product."""
    for west in (5, 10):
        on = grid(60, 60, cell=5 / 60, left=west, top=50)
        values = np.full((60, 60), 100.0 + west)
        values[0, 0] = -9999
        save(tmp_path / f"n45e{west:03d}_dem.tif", values.astype("float32"), on)
    ds = open_drivers(tmp_path)
    assert (ds.sizes["y"], ds.sizes["x"]) == (60, 120)
    assert np.array_equal(ds["elevation"].values[5], np.repeat([105.0, 110.0], 60).astype("float32"))
    assert np.isnan(ds["elevation"].values[0, [0, 60]]).all()


def test_tiles_of_mixed_resolutions(tmp_path):
    """A tile with other cells, or with cells in between, is named."""
    one = save(tmp_path / "srtm_38_03.tif", np.ones((60, 60), "int16"), grid(60, 60, cell=1 / 12, left=5))
    for cell, left, words in ((1 / 6, 10, "mixed resolutions.*srtm_39_03"), (1 / 12, 10.02, "lie between those of")):
        other = save(tmp_path / "srtm_39_03.tif", np.ones((60, 60), "int16"), grid(60, 60, cell=cell, left=left))
        with pytest.raises(GridError, match=words):
            open_drivers([one, other])


def hwsd(folder, columns=COLUMNS, rows=ROWS, table="HWSD_DATA.csv"):
    """Write mapping units as BIL with its header, and the table of soils."""
    units = np.full((8, 10), 7001, "<u2")
    units[0], units[1], units[2] = 0, 9000, 1234
    units.tofile(folder / "hwsd.bil")
    (folder / "hwsd.hdr").write_text("BYTEORDER I\nLAYOUT BIL\nNROWS 8\nNCOLS 10\nNBANDS 1\nNBITS 16\nULXMAP 0.25\n"
                                     "ULYMAP 49.75\nXDIM 0.5\nYDIM 0.5\n")
    if table:
        (folder / table).write_text("\n".join((columns, *rows)) + "\n")
    return str(folder / "hwsd.bil")


def test_hwsd(tmp_path):
    """Each mapping unit has the means of its soils, weighted by their shares; rock and unknown units have none."""
    ds = open_drivers(hwsd(tmp_path))
    wanted = {"oc": 5 / 3, "gravel": 40 / 3, "bulk_density": 1000 * (0.6 * 1.3 + 0.3 * 1.5) / 0.9, "clay": 50 / 3,
              "silt": 110 / 3, "sand": 140 / 3}
    assert set(ds.data_vars) == set(wanted)
    for name, value in wanted.items():
        assert ds[name].values[3:] == pytest.approx(value, rel=1e-6), name
        assert np.isnan(ds[name].values[:3]).all()
    assert Grid.of(ds) == Grid(WGS84, (0.5, 0.0, 0.0, 0.0, -0.5, 50.0), 8, 10)
    assert "averaged by their shares" in ds.attrs["notes"]


def test_hwsd_table_elsewhere(tmp_path):
    """The table may be given beside the raster in the list of files; semicolons are fine."""
    (tmp_path / "tables").mkdir()
    raster = hwsd(tmp_path, table="")
    table = tmp_path / "tables" / "soils.csv"
    table.write_text("\n".join((COLUMNS, *ROWS)).replace(",", ";"))
    assert float(open_drivers(f"{raster},{table}", require=["oc"])["oc"].max()) == pytest.approx(5 / 3)


def test_hwsd_without_table_or_columns(tmp_path):
    """What is missing is named, and how to get it."""
    raster = hwsd(tmp_path, table="")
    with pytest.raises(SchemaError, match="no table of their soils") as caught:
        open_drivers(raster)
    assert "HWSD_DATA" in caught.value.hint
    hwsd(tmp_path, columns=COLUMNS.replace("SHARE", "PORTION"))
    with pytest.raises(SchemaError, match=r"no column SHARE; its columns are ID, MU_GLOBAL, ISSOIL, PORTION"):
        open_drivers(raster)
    (tmp_path / "HWSD_DATA.csv").write_text("MU_GLOBAL,SHARE\n7001,100\n")
    with pytest.raises(SchemaError, match="no column T_OC, T_GRAVEL"):
        open_drivers(raster)
    (tmp_path / "HWSD_DATA.csv").write_text("MU_GLOBAL,SHARE,T_OC\nx,y,z\n")
    with pytest.raises(SchemaError, match="no row with a mapping unit"):
        open_drivers(raster)


def test_shares_need_not_add_up(tmp_path):
    """Means are over the soils that have a value, and negative codes are none."""
    (tmp_path / "a.csv").write_text("MU_GLOBAL,SHARE,T_OC\n1,50,2\n1,25,4\n1,25,-1\n2,100,\n")
    means = read_table(tmp_path / "a.csv")
    assert means["T_OC"].tolist()[0] == pytest.approx(8 / 3) and np.isnan(means["T_OC"].tolist()[1])


def test_rasters_of_gdal_agree(tmp_path):
    """The tile that is written here is one that GDAL reads as SRTM."""
    with rasterio.open(hgt(tmp_path, 47, 6)) as file:
        assert file.driver == "SRTMHGT" and np.array_equal(file.read(1), terrain(47, 6))
