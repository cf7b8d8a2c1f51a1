"""Points of vector layers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..deps import need
from ..errors import SchemaError
from .archives import reading
from .rasters.grid import to_lonlat

LONLAT = "EPSG:4326"


def read_points(path: Path, label: str, layer: str | None = None) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the fields, longitudes and latitudes of a point layer.

    Returns
    -------
    pandas.DataFrame, array of shape (n,) [degree], array of shape (n,) [degree]

    Raises
    ------
    SchemaError
        The file holds several layers, no points, or states no CRS.
    """
    pyogrio = need("pyogrio")
    pandas = need("pandas")
    errors = need("pyogrio.errors")
    try:
        with reading(label):
            layers = [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is not None]
            name = _one_layer(layers, layer, label)
            meta, _, geometry, fields = pyogrio.raw.read(path, layer=name, force_2d=True)
    except (errors.DataSourceError, errors.DataLayerError, errors.FeatureError) as error:
        raise SchemaError(f"'{label}' is not a vector layer that can be read: {error}",
                          "Give a GeoPackage or GeoJSON file of points") from error
    if not meta["crs"]:
        raise SchemaError(f"'{label}' states no CRS", "Give the layer a CRS, such as EPSG:4326")
    points = np.array([_point(wkb, label, row) for row, wkb in enumerate(geometry, start=1)], dtype="float64")
    points = points.reshape(-1, 2)
    lon, lat = to_lonlat(meta["crs"], points[:, 0], points[:, 1])
    return pandas.DataFrame(dict(zip((str(f) for f in meta["fields"]), fields))), lon, lat


def _one_layer(layers: list[str], wanted: str | None, label: str) -> str:
    if wanted is not None and wanted in layers:
        return wanted
    if len(layers) != 1 or wanted is not None:
        raise SchemaError(f"'{label}' has {len(layers)} vector layers; one was wanted"
                          + (f" ('{wanted}')" if wanted else ""),
                          "Layers: " + (", ".join(layers) or "none"))
    return layers[0]


def _point(wkb: bytes | None, label: str, row: int) -> tuple[float, float]:
    """Return x and y of a WKB point or of a multi-point with one point."""
    if wkb is None or len(wkb) < 21:
        return np.nan, np.nan
    order = "<" if wkb[0] == 1 else ">"
    kind = struct.unpack_from(order + "I", wkb, 1)[0]
    if kind == 4 and struct.unpack_from(order + "I", wkb, 5)[0] == 1:
        return _point(wkb[9:], label, row)
    if kind != 1:
        raise SchemaError(f"'{label}', feature {row}: the geometry is not a point", "Give a point layer")
    x, y = struct.unpack_from(order + "2d", wkb, 5)
    return float(x), float(y)


def write_points(path: Path, lon: np.ndarray, lat: np.ndarray, fields: dict[str, np.ndarray], layer: str) -> None:
    """Write points (EPSG:4326) with fields as a GeoPackage; rows without a position get no geometry."""
    pyogrio = need("pyogrio")
    geometry = np.empty(len(lon), dtype=object)
    for at, (x, y) in enumerate(zip(lon, lat)):
        known = np.isfinite(x) and np.isfinite(y)
        geometry[at] = struct.pack("<BI2d", 1, 1, float(x), float(y)) if known else None
    # a fixed date keeps the file the same, byte for byte, for the same towers
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        pyogrio.raw.write(path, geometry, [np.asarray(values) for values in fields.values()], list(fields),
                          layer=layer, driver="GPKG", geometry_type="Point", crs=LONLAT)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
