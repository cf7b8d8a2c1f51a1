"""The coordinate reference system of a NetCDF file, in whichever way the file states it."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ...errors import GridError
from .grid import parse_crs, same_crs

WGS84 = "EPSG:4326"
_EPSG = re.compile(r"\bEPSG:{1,2}(?:\d*:)?(\d{4,6})\b", re.IGNORECASE)
_WKT_ATTRIBUTES = ("crs_wkt", "spatial_ref", "esri_pe_string", "wkt")
_TEXT_ATTRIBUTES = ("crs", "proj4", "proj4text", "proj4_string", "proj4string", "projection", "spatial_ref", "crs_wkt",
                    "epsg", "epsg_code", "srid", "geospatial_bounds_crs")
_PROJECTIONS = {
    "albers_conical_equal_area": "aea", "azimuthal_equidistant": "aeqd",
    "lambert_azimuthal_equal_area": "laea", "lambert_conformal_conic": "lcc",
    "lambert_cylindrical_equal_area": "cea", "mercator": "merc", "orthographic": "ortho",
    "polar_stereographic": "stere", "sinusoidal": "sinu", "stereographic": "stere", "transverse_mercator": "tmerc",
}
_PARAMETERS = {
    "latitude_of_projection_origin": "lat_0", "longitude_of_projection_origin": "lon_0",
    "longitude_of_central_meridian": "lon_0", "straight_vertical_longitude_from_pole": "lon_0",
    "scale_factor_at_projection_origin": "k_0", "scale_factor_at_central_meridian": "k_0",
    "false_easting": "x_0", "false_northing": "y_0",
}
_STATED = (GridError, ValueError, TypeError)


def crs_of(mapping: Mapping[str, Any], general: Mapping[str, Any], geographic: bool) -> str:
    """Return the CRS as WKT, or an empty text if the file does not state it.

    Parameters
    ----------
    mapping : mapping
        Attributes of the grid mapping variable; empty if there is none.
    general : mapping
        Attributes of the file.
    geographic : bool
        Whether the coordinates are called longitude and latitude.
    """
    for found in (_from_mapping(mapping), _from_texts(mapping), _from_texts(general)):
        if found:
            return str(parse_crs(WGS84).to_wkt()) if same_crs(found, WGS84) else found
    return str(parse_crs(WGS84).to_wkt()) if geographic else ""


def _from_mapping(attrs: Mapping[str, Any]) -> str:
    for name in _WKT_ATTRIBUTES:
        found = _parsed(attrs.get(name))
        if found:
            return found
    return _parsed(_proj_text(attrs))


def _from_texts(attrs: Mapping[str, Any]) -> str:
    for name, value in attrs.items():
        if name.lower() not in _TEXT_ATTRIBUTES:
            continue
        code = _EPSG.search(str(value))
        if not code and name.lower() in ("epsg", "epsg_code", "srid"):
            code = re.fullmatch(r"\s*(\d{4,6})\s*", str(value))
        found = _parsed(f"EPSG:{code.group(1)}" if code else value)
        if found:
            return found
    # elsewhere only where one code stands alone: a history may name the CRS a file had before
    codes = {code for name, value in attrs.items() if name != "history" for code in _EPSG.findall(str(value))}
    return _parsed(f"EPSG:{codes.pop()}") if len(codes) == 1 else ""


def _parsed(text: Any) -> str:
    """Return a text as WKT if it is a CRS."""
    if not text or not isinstance(text, str):
        return ""
    try:
        return str(parse_crs(text).to_wkt())
    except GridError:
        return ""


def _proj_text(attrs: Mapping[str, Any]) -> str:
    """Return the CF attributes of a grid mapping as PROJ text, as far as CF and PROJ name the same things."""
    method = str(attrs.get("grid_mapping_name", ""))
    if method == "latitude_longitude":
        parts = ["+proj=longlat"]
    elif method in _PROJECTIONS:
        parts = [f"+proj={_PROJECTIONS[method]}"]
    else:
        return ""
    try:
        parts += [f"+{proj}={float(attrs[cf])!r}" for cf, proj in _PARAMETERS.items() if cf in attrs]
        parallels = attrs.get("standard_parallel")
        if parallels is not None:
            values = [float(value) for value in (parallels if hasattr(parallels, "__len__") else [parallels])]
            parts += [f"+{'lat_ts' if method in _BY_TRUE_SCALE else f'lat_{i}'}={value!r}"
                      for i, value in enumerate(values, 1)]
        return " ".join([*parts, *_figure(attrs), "+units=m", "+no_defs"])
    except _STATED:
        return ""


_BY_TRUE_SCALE = ("polar_stereographic", "lambert_cylindrical_equal_area", "mercator")


def _figure(attrs: Mapping[str, Any]) -> list[str]:
    """Return the figure of the Earth; WGS 84 where it is not stated."""
    if "earth_radius" in attrs:
        return [f"+R={float(attrs['earth_radius'])!r}"]
    if "semi_major_axis" not in attrs:
        return ["+datum=WGS84"]
    major = f"+a={float(attrs['semi_major_axis'])!r}"
    if "inverse_flattening" in attrs and float(attrs["inverse_flattening"]) > 0:
        return [major, f"+rf={float(attrs['inverse_flattening'])!r}"]
    return [major, f"+b={float(attrs.get('semi_minor_axis', attrs['semi_major_axis']))!r}"]
