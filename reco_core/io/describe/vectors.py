"""The layers of vector files, without their features."""

from __future__ import annotations

from typing import Any

from ...deps import need
from ...errors import SchemaError
from ..rasters.grid import crs_name


def vector_layers(path: str, label: str) -> dict[str, dict[str, Any]]:
    """Return geometry, number of features, CRS and fields of each layer.

    Raises
    ------
    SchemaError
        It is no vector file, or damaged.
    """
    pyogrio = need("pyogrio")
    errors = need("pyogrio.errors")
    try:
        found = {}
        for name, geometry in pyogrio.list_layers(path):
            info = pyogrio.read_info(path, layer=str(name), force_feature_count=True)
            found[str(name)] = {"geometry": str(geometry or "table").lower(), "features": int(info["features"]),
                                "crs": crs_name(str(info["crs"])) if info["crs"] else "",
                                "fields": [str(field) for field in info["fields"]]}
        return found
    except (errors.DataSourceError, errors.DataLayerError) as error:
        raise SchemaError(f"'{label}' is not a vector file that can be read: {error}",
                          "Export it again, for example as a GeoPackage") from error
