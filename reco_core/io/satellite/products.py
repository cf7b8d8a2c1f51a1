"""Satellite products: what their layers are called, how they are packed and which quality layers belong to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, Sequence

Names = tuple[str, ...]


@dataclass(frozen=True)
class ProductLayer:
    """One driver of a product.

    Parameters
    ----------
    name : str
        RECO name.
    parts : sequence of names
        Layers in the files whose sum is the driver; each with all names that it goes by.
    unit : str
        Of scaled values.
    scale, offset : float
        Value = stored x scale + offset; a scale of None differs between versions, so the file must state it.
    valid : (low, high)
        Stored values that are data.
    fills : sequence of float
        Stored values inside `valid` that are none.
    quality : sequence of str
        Keys of the quality layers that screen it.
    recode : pairs of stored values
        Classes that files number in another way.
    flags : sequence of int
        Bits of the stored value; the driver is 100 where any of them is set, else 0.
    extra : bool
        Whether it is only read where it is asked for.
    """

    name: str
    parts: tuple[Names, ...]
    unit: str
    scale: Optional[float]
    valid: tuple[float, float]
    fills: tuple[float, ...] = ()
    offset: float = 0.0
    quality: tuple[str, ...] = ()
    recode: tuple[tuple[int, int], ...] = ()
    flags: tuple[int, ...] = ()
    extra: bool = False


@dataclass(frozen=True)
class Product:
    """A product: its layers, time step, quality layers (key, names in files) and rule (see drivers.qa)."""

    name: str
    title: str
    time_step: str
    layers: tuple[ProductLayer, ...]
    family: Names
    quality: dict[str, Names]
    rule: str = ""
    citation: str = ""
    proven: bool = True  # whether reading it was tried on real files

    def layer(self, name: str) -> Optional[ProductLayer]:
        """Return the layer of a driver, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)

    @property
    def drivers(self) -> list[str]:
        """Names of its drivers."""
        return [layer.name for layer in self.layers]


def plain(text: str) -> str:
    """Return the name of a layer in the form that names are compared in.

    Examples
    --------
    >>> plain("500m 16 days NDVI"), plain("_500m_16_days_NDVI")
    ('500m_16_days_ndvi', '500m_16_days_ndvi')
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


_LP_DAAC = "{title}, {name} collection 6.1. NASA EOSDIS Land Processes DAAC. doi:10.5067/MODIS/{name}.061"
_BANDS = (("red", 1), ("nir", 2), ("blue", 3), ("green", 4), ("nir2", 5), ("swir", 6), ("swir2", 7))
_STSP_BANDS = {1: "b1_red", 2: "b2_nir", 3: "b3_blue", 4: "b4_green", 5: "b5_swir", 6: "b6_swir", 7: "b7_swir"}


def _modis(name: str, title: str, time_step: str, layers: Sequence[ProductLayer], quality: dict[str, Names],
           rule: str, sensors: str = "MOD MYD", proven: bool = False) -> Product:
    family = tuple(f"{sensor}{name[3:]}" for sensor in sensors.split())
    return Product(name, title, time_step, tuple(layers), family, quality, rule,
                   _LP_DAAC.format(title=title, name=name), proven)


def _vegetation(name: str, cell: str, period: str, time_step: str, proven: bool = False) -> Product:
    """Return a product of the MOD13 family."""
    def stored(text: str, *more: str) -> tuple[Names, ...]:
        return ((plain(f"{cell} {period} {text}"), *more),)

    both = ("summary", "detail")
    layers = [ProductLayer(index, stored(index, index, f"vi_{index}"), "1", 1e-4, (-2000, 10000), (-3000,),
                           quality=both) for index in ("ndvi", "evi")]
    layers += [ProductLayer(band, stored(f"{word} reflectance", f"sur_refl_b0{number}"), "1", 1e-4, (0, 10000),
                            (-1000,), quality=both)
               for band, word, number in (("red", "red", 1), ("nir", "nir", 2), ("blue", "blue", 3),
                                          ("swir2", "mir", 7))]
    quality = {"summary": stored("pixel reliability", "summaryqa", "pixel_reliability", "rely")[0],
               "detail": stored("vi quality", "detailedqa", "vi_quality", "vi_qa")[0]}
    return _modis(name, f"MODIS Vegetation Indices {period} {cell}", time_step, layers, quality, "vegetation",
                  proven=proven)


def _leaves(name: str, cell: str, proven: bool = False) -> Product:
    """Return a product of the MOD15 family."""
    layers = [ProductLayer(driver, ((f"{stored}_{cell}", stored),), unit, scale, (0, 100), quality=("qc",))
              for driver, stored, unit, scale in (("lai", "lai", "m2 m-2", 0.1), ("fapar", "fpar", "1", 0.01))]
    return _modis(name, f"MODIS Leaf Area Index/FPAR 8-Day {cell}", "8day", layers,
                  {"qc": ("fparlai_qc",)}, "leaves", "MOD MYD MCD", proven)


def _temperature(name: str, cell: str, time_step: str, proven: bool = False) -> Product:
    """Return a product of the MOD11 family."""
    layers = [ProductLayer(f"lst_{part}", ((f"lst_{part}_{cell}",),), "K", 0.02, (7500, 65535), (0,),
                           quality=(f"qc_{part}",)) for part in ("day", "night")]
    return _modis(name, f"MODIS Land Surface Temperature {time_step} {cell}", time_step, layers,
                  {f"qc_{part}": (f"qc_{part}",) for part in ("day", "night")}, "temperature", proven=proven)


_REFLECTANCE = _modis(
    "MOD09A1", "MODIS Surface Reflectance 8-Day 500m", "8day",
    [ProductLayer(band, ((f"sur_refl_b0{number}", _STSP_BANDS[number]),), "1", 1e-4, (-100, 16000), (-28672,),
                  quality=("state",)) for band, number in _BANDS]
    + [ProductLayer("snow_cover", (("sur_refl_state_500m", "stateqa", "state_qa"),), "%", 1.0, (0, 65534), (65535,),
                    quality=("state",), flags=(12, 15), extra=True)],
    {"state": ("sur_refl_state_500m", "stateqa", "state_qa")}, "reflectance", proven=True)
_NADIR = _modis(
    "MCD43A4", "MODIS Nadir BRDF-Adjusted Reflectance Daily 500m", "day",
    [ProductLayer(band, ((f"nadir_reflectance_band{number}",),), "1", 1e-4, (0, 16000), (32767,),
                  quality=(f"band{number}",)) for band, number in _BANDS],
    {f"band{number}": (f"brdf_albedo_band_mandatory_quality_band{number}",) for _, number in _BANDS}, "nadir", "MCD")
_CARBON = _modis(
    "MOD17A3HGF", "MODIS Gross and Net Primary Production Yearly 500m", "year",
    [ProductLayer("npp", (("npp_500m", "npp"),), "kg C m-2 yr-1", 1e-4, (-30000, 32700)),
     ProductLayer("gpp", (("gpp_500m", "gpp"),), "kg C m-2 yr-1", 1e-4, (0, 65500))], {}, "")
_COVER = _modis(
    "MCD12Q1", "MODIS Land Cover Type Yearly 500m", "year",
    [ProductLayer("igbp", (("lc_type1", "land_cover_type_1"),), "1", 1.0, (0, 17), (255,), recode=((0, 17),))],
    {}, "", "MCD")
_COVER_GLOBAL = _modis(
    "MCD12C1", "MODIS Land Cover Type Yearly 0.05 degree", "year",
    [ProductLayer("igbp", (("majority_land_cover_type_1",),), "1", 1.0, (0, 17), (255,), recode=((0, 17),))],
    {}, "", "MCD")

_GLASS = "Liang, S. et al. (2021). Bull. Am. Meteorol. Soc. 102, E323-E337. doi:10.1175/BAMS-D-18-0341.1"


def _glass(name: str, title: str, driver: str, stored: str, unit: str) -> Product:
    layer = ProductLayer(driver, ((stored,),), unit, None, (0, 65534))
    return Product(name, title, "8day", (layer,), (name,), {}, "", _GLASS, False)


_OTHERS = (
    _glass("GLASS_LAI", "GLASS leaf area index 8-Day", "lai", "lai", "m2 m-2"),
    _glass("GLASS_FAPAR", "GLASS FAPAR 8-Day", "fapar", "fapar", "1"),
    _glass("GLASS_GPP", "GLASS gross primary production 8-Day", "gpp", "gpp", "g C m-2 d-1"),
    Product("GFVCP", "Global Fractional Vegetation Cover Product 8-Day 500m", "8day",
            tuple(ProductLayer(driver, (names,), "%", 1.0, (0, 105), (255,), quality=("pv", "npv", "bs"))
                  for driver, names in (("pv", ("phot_veg", "pv")), ("npv", ("nphot_veg", "npv")),
                                        ("bs", ("bare_soil", "bs")))), ("GFVCP",),
            {"pv": ("phot_veg", "pv"), "npv": ("nphot_veg", "npv"), "bs": ("bare_soil", "bs")}, "fractions",
            "Guerschman, J. P., Hill, M. J. (2018). Remote Sensing Letters 9, 587-596. "
            "doi:10.1080/2150704X.2018.1465611", False),
    Product("CAS_CI", "CAS clumping index 8-Day 500m", "8day",
            (ProductLayer("ci", (("ci", "clumping_index", "main_algorithm_clumping_index"),), "1", None, (0, 65534)),),
            ("CAS_CI",), {}, "",
            "Jiao, Z. et al. (2018). Remote Sens. Environ. 209, 594-611. doi:10.1016/j.rse.2018.02.041", False),
    Product("PML_V2", "PML_V2 evapotranspiration and gross primary production 8-Day 500m", "8day",
            (ProductLayer("et", (("ec",), ("es",), ("ei",)), "mm d-1", 0.01, (0, 10000), (65535, 32767)),
             ProductLayer("gpp", (("gpp",),), "g C m-2 d-1", 0.01, (0, 10000), (65535, 32767))), ("PML_V2",), {}, "",
            "Zhang, Y. et al. (2019). Remote Sens. Environ. 222, 165-182. doi:10.1016/j.rse.2018.12.031", False),
)

PRODUCTS: dict[str, Product] = {product.name: product for product in (
    _REFLECTANCE, _NADIR,
    _temperature("MOD11A1", "1km", "day", proven=True), _temperature("MOD11A2", "1km", "8day"),
    _temperature("MOD11B2", "6km", "8day", proven=True),
    _vegetation("MOD13A1", "500m", "16 days", "16day", proven=True),
    _vegetation("MOD13A2", "1 km", "16 days", "16day"), _vegetation("MOD13A3", "1 km", "monthly", "month"),
    _vegetation("MOD13Q1", "250m", "16 days", "16day"),
    _leaves("MOD15A2H", "500m"), _leaves("MOD15A2", "1km", proven=True),
    _CARBON, _COVER, _COVER_GLOBAL, *_OTHERS)}
_BY_SHORT_NAME = {short: product for product in PRODUCTS.values() for short in product.family}


def product_of(short_name: str) -> Optional[Product]:
    """Return the product that a short name such as MYD09A1 belongs to, or None."""
    return _BY_SHORT_NAME.get(short_name)
