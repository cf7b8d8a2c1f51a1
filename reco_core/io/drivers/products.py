"""Climate, soil and terrain products: how their files are told, and what their variables are, in which unit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

from ...errors import ConfigError

NO_LIMITS = (float("-inf"), float("inf"))
GEOGRAPHIC = "EPSG:4326"


@dataclass(frozen=True)
class Field:
    """One variable of a product.

    Parameters
    ----------
    pattern : str
        What its name matches in full, in small letters: that of the variable or band, else of the
        file without ending. Groups are the depth [cm] or scale that `driver` asks for.
    driver : str
        RECO name.
    unit : str
        Of physical values where the file states none, or one of `stated`.
    stated : sequence of str
        Units in files, in small letters, that mean `unit`; others are taken at their word.
    scale : float
        Physical = stored x scale, for integers whose file states no scale.
    factor : float
        Of physical values; -1 turns the direction of a flux.
    packed : bool
        NetCDF files store it as integers with their own scale factor.
    fills : sequence of float
        Stored values that are missing, whether the file says so or not.
    valid : (low, high)
        Stored values that are data.
    note : str
        What the user should know.
    """

    pattern: str
    driver: str
    unit: str
    stated: tuple[str, ...] = ()
    scale: float = 1.0
    factor: float = 1.0
    packed: bool = False
    fills: tuple[float, ...] = ()
    valid: tuple[float, float] = NO_LIMITS
    note: str = ""


@dataclass(frozen=True)
class Product:
    """A product as it is downloaded.

    Parameters
    ----------
    name, title : str
    fields : sequence of Field
    files : str
        Pattern that names of its files have somewhere, in small letters.
    attrs : mapping of attribute to pattern
        What NetCDF files say of themselves; any of them tells the product.
    cell : float [degree], optional
        Size of its cells, where only that tells two products apart.
    left_out : sequence of str
        Variables that are no drivers.
    crs : str
        Coordinate reference system of files that state none.
    mosaic : bool
        Whether it comes in tiles that lie side by side.
    citation : str
    proven : bool
        Whether reading it was tried on real files.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    files: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    cell: Optional[float] = None
    left_out: tuple[str, ...] = ()
    crs: str = ""
    mosaic: bool = False
    citation: str = ""
    proven: bool = False

    def find(self, *texts: str) -> Optional[tuple[Field, str]]:
        """Return the field that the first of some names matches, and its driver."""
        for text in texts:
            for candidate in self.fields:
                match = re.fullmatch(candidate.pattern, text.strip().lower())
                if match:
                    return candidate, _driver(candidate.driver, match.groups())
        return None


def _driver(name: str, groups: Sequence[str]) -> str:
    """Return the name of a driver with the depth or scale put in; the top layer of most has none."""
    numbers = [str(_DEPTHS_2017[group[2:]]) if group.startswith("sl") else str(int(group)) for group in groups if group]
    if "{}" not in name:
        return name if not numbers or numbers[0] == "0" else f"{name}_{numbers[0]}"
    return name.format(*numbers)


_DEPTHS_2017 = {str(number): depth for number, depth in enumerate((0, 5, 15, 30, 60, 100, 200), 1)}
_METRES = ("m", "m of water equivalent", "m of water equivalent per day", "metre", "metres")
_JOULES = ("j m-2", "j m**-2", "j/m2", "joule m-2")
_CELSIUS = ("degrees celsius", "deg c", "degc", "c", "celsius", "degrees_celsius")
_DAILY = "taken as the amount of a day, as in monthly means of ERA5 and in daily sums, not in means of hours"


def _era5(name: str, title: str, cell: Optional[float], citation: str) -> Product:
    amounts = tuple(
        Field(pattern, driver, "m d-1", _METRES, factor=factor, note=_DAILY) for pattern, driver, factor in (
            ("tp|total_precipitation", "precip", 1.0), ("e|total_evaporation", "et", -1.0), ("pev", "pev", 1.0)))
    energy = tuple(Field(pattern, driver, "J m-2 d-1", _JOULES, note=_DAILY) for pattern, driver in (
        ("ssrd|surface_solar_radiation_downwards", "sw_in"), ("ssr", "ssr"), ("strd", "strd"), ("str", "str")))
    kelvin = tuple(Field(pattern, driver, "K") for pattern, driver in (
        ("t2m|2m_temperature", "ta"), ("d2m|2m_dewpoint_temperature", "dew_point"), ("stl1|soil_temperature_level_1",
        "ts"), ("mx2t", "tmax"), ("mn2t", "tmin")))
    others = (Field("swvl1|volumetric_soil_water_layer_1", "swc", "m3 m-3", ("m**3 m**-3", "m3 m-3")),
              Field("sp|surface_pressure", "pa", "Pa"), Field("si10|10m_wind_speed", "wind", "m s-1", note="at 10 m"))
    return Product(name, title, (*amounts, *energy, *kelvin, *others), r"era5.?land" if cell else "era5",
                   {"institution": "european cent(re|er) for medium|ecmwf", "GRIB_centre": "ecmf",
                    "history": "grib_to_netcdf|cfgrib|earthkit"}, cell,
                   ("number", "expver", "surface", "realization", "lsm"), citation=citation)


def _soilgrids() -> tuple[Field, ...]:
    depth = r"_(\d{{1,3}})-\d{{1,3}}cm_(?:mean|q0[._]?5(?:0)?|q50)(?:_\d+)?(?:_[a-z0-9-]+)?"
    now = (("soc", "soc_{}", "g kg-1", 0.1, ("dg/kg",)), ("bdod", "bulk_density", "g cm-3", 0.01, ("cg/cm3", "cg/cm³")),
           ("cfvo", "gravel", "%", 0.1, ()), ("clay", "clay", "%", 0.1, ()), ("silt", "silt", "%", 0.1, ()),
           ("sand", "sand", "%", 0.1, ()))
    of_2017 = (("orcdrc", "soc_{}", "g kg-1"), ("bldfie", "bulk_density", "kg m-3"), ("crfvol", "gravel", "%"),
               ("clyppt", "clay", "%"), ("sltppt", "silt", "%"), ("sndppt", "sand", "%"))
    fills = (-32768.0,)
    return (*(Field(name + depth.format(), driver, unit, stated, scale, fills=fills)
              for name, driver, unit, scale, stated in now),
            *(Field(rf"{name}_m_(sl\d)_\w+", driver, unit, fills=(*fills, 255.0) if unit == "%" else fills)
              for name, driver, unit in of_2017))


def _openlandmap() -> tuple[Field, ...]:
    depth = r".*_b(\d{1,3})\.\.\d+cm.*"
    bands = r"|b(\d{1,3})"
    return (Field(rf"sol_organic.?carbon{depth}{bands}", "soc_{}", "g kg-1", (), 5.0, fills=(255.0,)),
            Field(rf"sol_bulkdens{depth}", "bulk_density", "kg m-3", (), 10.0, fills=(255.0, 65535.0, -32768.0)),
            Field(rf"sol_clay{depth}", "clay", "%", fills=(255.0,)),
            Field(rf"sol_sand{depth}", "sand", "%", fills=(255.0,)))


_TERRACLIMATE = (
    ("tmax|tmmx", "tmax", "degC", 0.1), ("tmin|tmmn", "tmin", "degC", 0.1), ("ppt|pr", "precip", "mm month-1", 1.0),
    ("vpd", "vpd", "kPa", 0.01), ("vap", "ea", "kPa", 0.001), ("srad", "sw_in", "W m-2", 0.1),
    ("pet", "pet", "mm month-1", 0.1), ("aet", "et", "mm month-1", 0.1), ("ws|vs", "wind", "m s-1", 0.01))
_VOIDS = (-32768.0, -32767.0, -9999.0)
_TEMPERATURE = r"(?:tmp|temp?|tem|tmean|tavg|ta|tas)(?:_.*)?"
_TENTHS = "stored integers are tenths"

PRODUCTS: dict[str, Product] = {product.name: product for product in (
    Product("cru_ts", "CRU TS", (
        Field("tmp", "ta", "degC", _CELSIUS), Field("tmn", "tmin", "degC", _CELSIUS),
        Field("tmx", "tmax", "degC", _CELSIUS), Field("pre", "precip", "mm month-1", ("mm/month", "mm")),
        Field("vap", "ea", "hPa"), Field("pet", "pet", "mm d-1", ("mm/day",)),
        Field("dtr", "dtr", "degC", _CELSIUS), Field("cld", "cld", "%", ("percentage",)),
        Field("wet", "wet", "d month-1", ("days",)), Field("frs", "frs", "d month-1", ("days",))),
        r"cru_?ts", {"title": r"cru ts", "source": r"cru ts"}, left_out=("stn", "mae", "maea"),
        citation="Harris, I. et al. (2020). Scientific Data 7, 109. doi:10.1038/s41597-020-0453-3"),
    _era5("era5_land", "ERA5-Land", 0.1,
          "Munoz-Sabater, J. et al. (2021). Earth System Science Data 13, 4349-4383. doi:10.5194/essd-13-4349-2021"),
    _era5("era5", "ERA5", None,
          "Hersbach, H. et al. (2020). Quarterly Journal of the Royal Meteorological Society 146, 1999-2049. "
          "doi:10.1002/qj.3803"),
    Product("terraclimate", "TerraClimate", tuple(
        Field(rf"(?:.*terraclimate_)?(?:{pattern})(?:_\d.*)?", driver, unit,
              ("mm",) if unit.startswith("mm") else (), scale, packed=True)
        for pattern, driver, unit, scale in _TERRACLIMATE),
        "terraclimate", {"title": "terraclimate", "source": "terraclimate"}, left_out=("crs", "station_influence"),
        citation="Abatzoglou, J. T. et al. (2018). Scientific Data 5, 170191. doi:10.1038/sdata.2017.191"),
    Product("speibase", "SPEIbase", (
        Field(r"spei_?0*([1-9]\d?)", "spei_{}", "1", ("z-values", "z values", "-"), fills=(1e30,), valid=(-100, 100)),),
        r"^spei_?\d{1,2}$", {"title": "speibase|global spei database"}, left_out=("crs",),
        citation="Begueria, S. et al. (2014). International Journal of Climatology 34, 3001-3023. "
                 "doi:10.1002/joc.3887"),
    Product("soilgrids", "SoilGrids", _soilgrids(),
            r"_\d{1,3}-\d{1,3}cm_(mean|q0[._]?5|q50)|^(orcdrc|bldfie|crfvol|clyppt|sltppt|sndppt)_m_sl\d", mosaic=True,
            citation="Poggio, L. et al. (2021). SOIL 7, 217-240. doi:10.5194/soil-7-217-2021"),
    Product("openlandmap", "OpenLandMap", _openlandmap(), r"^sol_\w+.*_b\d{1,3}\.\.\d+cm|openlandmap", mosaic=True,
            citation="Hengl, T., Wheeler, I. (2018). Soil organic carbon content. doi:10.5281/zenodo.1475457"),
    Product("hwsd", "HWSD", (Field(r"hwsd.*", "soil_unit", "", fills=(0.0, 65535.0)),), r"^hwsd", crs=GEOGRAPHIC,
            citation="FAO/IIASA/ISRIC/ISSCAS/JRC (2012). Harmonized World Soil Database, version 1.2."),
    Product("srtm", "SRTM", (Field(".*", "elevation", "m", ("metre", "metres", "meters"), fills=_VOIDS,
                                   valid=(-500, 9000)),),
            r"^[ns]\d{2}_?[ew]\d{3}(\.srtmgl\d|_[13]arc_v\d)?$|^srtm_\d{2}_\d{2}$", crs=GEOGRAPHIC, mosaic=True,
            citation="Farr, T. G. et al. (2007). Reviews of Geophysics 45, RG2004. doi:10.1029/2005RG000183"),
    Product("merit", "MERIT DEM", (Field(".*", "elevation", "m", ("metre", "metres", "meters"), fills=_VOIDS,
                                         valid=(-500, 9000)),),
            r"^[ns]\d{2}[ew]\d{3}_(dem|elv)$|merit.*dem", crs=GEOGRAPHIC, mosaic=True,
            citation="Yamazaki, D. et al. (2017). Geophysical Research Letters 44, 5844-5853. "
                     "doi:10.1002/2017GL072874"),
    # the profile of such stacks is only taken where the user asks for it: their names tell nothing
    Product("anusplin", "ANUSPLIN-like stack", (
        Field(_TEMPERATURE, "ta", "degC", ("0.1 degc", "0.1c", "0.1℃"), 0.1, fills=_VOIDS, note=_TENTHS),
        Field(r"(?:tmin|tmn)(?:_.*)?", "tmin", "degC", (), 0.1, fills=_VOIDS, note=_TENTHS),
        Field(r"(?:tmax|tmx)(?:_.*)?", "tmax", "degC", (), 0.1, fills=_VOIDS, note=_TENTHS),
        Field(r"(?:prec?|prcp|precip|rain|ppt)(?:_.*)?", "precip", "mm", ("0.1 mm", "0.1mm"), 0.1, fills=_VOIDS,
              note=_TENTHS)),
        r"(?!)", citation="Hutchinson, M. F. (1998). Journal of Geographic Information and Decision Analysis 2, "
                          "139-151."),
)}


def recognise(wanted: str, stem: str, *, attrs: Mapping[str, object] | None = None, names: Sequence[str] = (),
              cell: float = 0.0) -> Optional[Product]:
    """Return the product of a file, or None where its contents are taken at their word.

    Parameters
    ----------
    wanted : str
        A product, auto or none.
    stem : str
        Name of the file without folder and ending.
    attrs : mapping, optional
        Attributes of a NetCDF file.
    names : sequence of str
        Its variables, or descriptions of bands.
    cell : float
        Width of its cells.

    Raises
    ------
    ConfigError
        There is no such product.
    """
    if wanted == "none":
        return None
    if wanted != "auto":
        if wanted not in PRODUCTS:
            raise ConfigError(f"There is no product '{wanted}'", "Choose: auto, none, " + ", ".join(PRODUCTS))
        return PRODUCTS[wanted]
    texts = {key: str(value).lower() for key, value in (attrs or {}).items()}
    for product in PRODUCTS.values():
        told = bool(re.search(product.files, stem.lower())) or any(
            re.search(pattern, texts.get(key, "")) for key, pattern in product.attrs.items())
        known = any(product.find(name, stem) for name in (names or [stem]))
        size = product.cell is None or bool(re.search(product.files, stem.lower())) or abs(
            cell - product.cell) < 0.01 * product.cell
        if told and known and size:
            return product
    return None


def products_told(notes: str) -> list[Product]:
    """Return the products that notes of drivers name, each once."""
    return [product for product in PRODUCTS.values() if re.search(rf": {re.escape(product.title)},", notes)]
