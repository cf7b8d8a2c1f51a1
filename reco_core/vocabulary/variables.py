"""The one table of variables; every alias is translated once, at reading."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..errors import SchemaError

GROUPS = ("environment", "biotic", "spatiotemporal")


@dataclass(frozen=True)
class Variable:
    """A driver or flux: its canonical name, unit, valid range and other names.

    `group` is the colour it has in contribution maps, `cell_method` how it is
    aggregated in time, `static` whether it has no time axis.
    """

    name: str
    unit: str
    long_name: str
    low: float
    high: float
    group: str = "environment"
    aliases: tuple[str, ...] = ()
    static: bool = False
    cell_method: str = "mean"


def _var(name: str, unit: str, long_name: str, low: float, high: float, group: str = "environment",
         aliases: str = "", static: bool = False) -> Variable:
    return Variable(name, unit, long_name, low, high, group, tuple(aliases.split()), static)


_FLUX = "g C m-2 d-1"
_TABLE = (
    _var("reco", _FLUX, "Ecosystem respiration", -5, 60, "flux", "re ter er reco_nt_vut_ref reco_dt_vut_ref"),
    _var("rs", _FLUX, "Soil respiration", -5, 60, "flux", "soil_respiration"),
    _var("rh", _FLUX, "Heterotrophic respiration", -5, 60, "flux", "heterotrophic_respiration"),
    _var("ta", "degC", "Air temperature", -80, 60, aliases=
         "ta_f air_temperature tair t2m tavg tmean meantemp temperature temp tas tmp tem"),
    _var("ts", "degC", "Soil temperature", -60, 70, aliases=
         "ts_f_mds_1 ts_f soil_temperature tsoil stl1"),
    _var("tmin", "degC", "Daily minimum air temperature", -90, 60, aliases="tasmin tmn ta_f_night_min"),
    _var("tmax", "degC", "Daily maximum air temperature", -70, 65, aliases="tasmax tmx"),
    _var("vpd", "hPa", "Vapour pressure deficit", -1, 120, aliases="vpd_f"),
    _var("ea", "hPa", "Vapour pressure", 0, 120, aliases="eabs vap actual_vapour_pressure"),
    _var("dew_point", "degC", "Dew point of the air", -100, 50, aliases="d2m tdps dewpoint"),
    _var("swc", "%", "Soil water content", 0, 105, aliases="swc_f_mds_1 swc_f soil_moisture"),
    _var("precip", "mm d-1", "Precipitation", -0.001, 500, aliases=
         "p_f precipation precipitation pre ppt rain rainfall p_mm_d totalpr pr prec p tp"),
    _var("sw_in", "W m-2", "Incoming shortwave radiation", -10, 600, aliases="sw_in_f ssrd swdown rsds"),
    _var("par", "umol m-2 s-1", "Photosynthetic photon flux density", -10, 1500, aliases="ppfd_in ppfd"),
    _var("net_rad", "W m-2", "Net radiation", -250, 500, aliases="netrad rn"),
    _var("wind", "m s-1", "Wind speed", 0, 60, aliases="ws_f ws windspeed wind_speed"),
    _var("pa", "kPa", "Air pressure", 40, 115, aliases="pa_f pressure"),
    _var("pet", "mm d-1", "Potential evapotranspiration", 0, 50, aliases="potential_evapotranspiration"),
    _var("lst_day", "degC", "Land surface temperature by day", -80, 80, aliases="lst_day_1km lstd"),
    _var("lst_night", "degC", "Land surface temperature by night", -90, 60, aliases="lst_night_1km lstn"),
    _var("lswi", "1", "Land surface water index", -1, 1),
    _var("soc_0", "g kg-1", "Soil organic carbon at 0 cm", 0, 1000, aliases="soc soc0 soc_0cm", static=True),
    _var("soc_10", "g kg-1", "Soil organic carbon at 10 cm", 0, 1000, aliases="soc10 soc_10cm", static=True),
    _var("soc_30", "g kg-1", "Soil organic carbon at 30 cm", 0, 1000, aliases="soc30 soc_30cm", static=True),
    _var("clay", "%", "Clay content", 0, 100, aliases="t_clay", static=True),
    _var("silt", "%", "Silt content", 0, 100, aliases="t_silt", static=True),
    _var("sand", "%", "Sand content", 0, 100, aliases="t_sand", static=True),
    _var("elevation", "m", "Elevation", -500, 9000, aliases="elev_m elev dem altitude", static=True),
    _var("slope", "degree", "Slope of the terrain", 0, 90, aliases="slope_deg", static=True),
    _var("lai", "m2 m-2", "Leaf area index", 0, 15, "biotic", "lai_obs"),
    _var("fapar", "1", "Absorbed fraction of photosynthetically active radiation", 0, 1, "biotic", "fpar"),
    _var("ndvi", "1", "Normalised difference vegetation index", -1, 1, "biotic"),
    _var("evi", "1", "Enhanced vegetation index", -1, 1.5, "biotic"),
    _var("nirv", "1", "Near-infrared reflectance of vegetation", -0.5, 1, "biotic"),
    _var("ci", "1", "Clumping index", 0, 1.2, "biotic", "clumping_index"),
    _var("pv", "%", "Cover of photosynthetic vegetation", 0, 110, "biotic"),
    _var("npv", "%", "Cover of non-photosynthetic vegetation", 0, 110, "biotic"),
    _var("bs", "%", "Cover of bare soil", 0, 110, "biotic", "bare_soil"),
    _var("frac_forest", "1", "Forest fraction", 0, 1, "biotic", "forest_fraction", static=True),
    _var("gpp", _FLUX, "Gross primary production", -20, 60, "biotic", "gpp_nt_vut_ref"),
    _var("latitude_abs", "degree", "Absolute latitude", 0, 90, "spatiotemporal", static=True),
    _var("day_length", "h", "Day length", 0, 24, "spatiotemporal"),
    _var("season", "1", "Season and sunlight", -1, 1, "spatiotemporal"),
    _var("season_sin", "1", "Sine of the season", -1, 1, "spatiotemporal"),
    _var("season_cos", "1", "Cosine of the season", -1, 1, "spatiotemporal"),
    _var("v_top", "1", "Vegetation index at its yearly top", -1, 1, "spatiotemporal", "vtop"),
    _var("v_bottom", "1", "Vegetation index at its yearly bottom", -1, 1, "spatiotemporal", "vbottom"),
    _var("v75", "1", "Vegetation index at 75 % of its yearly range", -1, 1, "spatiotemporal"),
    _var("v50", "1", "Vegetation index at 50 % of its yearly range", -1, 1, "spatiotemporal"),
    _var("v25", "1", "Vegetation index at 25 % of its yearly range", -1, 1, "spatiotemporal"),
    _var("l75", "d", "Days between the crossings of the 75 % level", 0, 366, "spatiotemporal"),
    _var("l50", "d", "Days between the crossings of the 50 % level", 0, 366, "spatiotemporal"),
    _var("l25", "d", "Days between the crossings of the 25 % level", 0, 366, "spatiotemporal"),
    _var("season_area", "d", "Yearly sum of the daily vegetation index", -366, 366, "spatiotemporal"),
    _var("doy_sin", "1", "Sine of the day of year", -1, 1, "spatiotemporal", "doy"),
    _var("red", "1", "Red reflectance", -0.2, 1.6, "biotic", "nadir_reflectance_band1 sur_refl_b01"),
    _var("nir", "1", "Near-infrared reflectance", -0.2, 1.6, "biotic", "nadir_reflectance_band2 sur_refl_b02"),
    _var("blue", "1", "Blue reflectance", -0.2, 1.6, "biotic", "nadir_reflectance_band3 sur_refl_b03"),
    _var("green", "1", "Green reflectance", -0.2, 1.6, "biotic", "nadir_reflectance_band4 sur_refl_b04"),
    _var("nir2", "1", "Reflectance at 1.24 um", -0.2, 1.6, "biotic", "nadir_reflectance_band5 sur_refl_b05"),
    _var("swir", "1", "Shortwave-infrared reflectance at 1.64 um", -0.2, 1.6, "biotic",
         "swir1 nadir_reflectance_band6 sur_refl_b06"),
    _var("swir2", "1", "Shortwave-infrared reflectance at 2.13 um", -0.2, 1.6, "biotic",
         "nadir_reflectance_band7 sur_refl_b07"),
    _var("et", "mm d-1", "Evapotranspiration", -5, 50, aliases="evapotranspiration"),
    _var("npp", _FLUX, "Net primary production", -5, 60, "biotic"),
    _var("snow_cover", "%", "Snow cover", 0, 100),
    _var("oc", "%", "Organic carbon of the soil", 0, 100, aliases="t_oc organic_carbon", static=True),
    _var("bulk_density", "kg m-3", "Bulk density of the soil", 0, 2700, aliases="t_bulk_density bdod", static=True),
    _var("gravel", "%", "Gravel by volume", 0, 100, aliases="t_gravel cfvo", static=True),
    _var("soc_density", "kg C m-2", "Soil organic carbon density", 0, 300, aliases="socd", static=True),
    _var("texture", "1", "Soil texture class (USDA)", 0, 12, static=True),
    _var("igbp", "1", "IGBP land-cover class", 0, 255, "biotic", "land_cover lc_type1", static=True),
)

VARIABLES: dict[str, Variable] = {v.name: v for v in _TABLE}
_ALIASES = {alias: v.name for v in _TABLE for alias in (v.name, *v.aliases)}

IGBP_CODES = {1: "ENF", 2: "EBF", 3: "DNF", 4: "DBF", 5: "MF", 6: "CSH", 7: "OSH", 8: "WSA", 9: "SAV",
              10: "GRA", 11: "WET", 12: "CRO", 13: "URB", 14: "CVM", 15: "SNO", 16: "BSV", 17: "WAT"}
CLASS_FAMILIES = {"CSH": "SHR", "OSH": "SHR", "WSA": "SAV", "DNF": "DBF", "CVM": "CRO"}


def canonical_name(name: str) -> str | None:
    """Return the canonical name of `name`, or None if RECO does not know it."""
    key = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return _ALIASES.get(key)


def variable(name: str) -> Variable:
    """Return the variable called `name`; unknown drivers are allowed with wide limits.

    Raises
    ------
    SchemaError
        The name is empty or not an identifier.
    """
    known = canonical_name(name)
    if known is not None:
        return VARIABLES[known]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise SchemaError(f"'{name}' cannot be the name of a driver",
                          "Use letters, digits and underscores, starting with a letter")
    return _made_from(name.lower()) or Variable(name.lower(), "", name, float("-inf"), float("inf"), "environment")


def _made_from(name: str) -> Variable | None:
    """Return the variable of a name that tells how it was made of another: an index of drought, a value of the year."""
    match = re.fullmatch(r"(spei|spi)_([1-9]\d?)", name)
    if match:
        title = {"spei": "Drought index (SPEI)", "spi": "Precipitation index (SPI)"}[match[1]]
        return Variable(name, "1", f"{title} of {match[2]} months", -100, 100)
    match = re.fullmatch(r"(soc|oc|bulk_density|gravel|clay|silt|sand)_(\d{1,3})", name)
    if match:
        top = VARIABLES["soc_0" if match[1] == "soc" else match[1]]
        return replace(top, name=name, long_name=f"{top.long_name.removesuffix(' at 0 cm')} at {int(match[2])} cm",
                       aliases=())
    match = re.fullmatch(r"(.+)_(min|max|mean)", name)
    base = canonical_name(match[1]) if match else None
    if match is None or base is None:
        return None
    word = {"min": "least", "max": "largest", "mean": "mean"}[match[2]]
    whole = VARIABLES[base]
    return replace(whole, name=name, long_name=f"{whole.long_name}, {word} of the year", aliases=())
