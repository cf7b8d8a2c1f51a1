"""Rasters of products: recognised by their names, and read in the units that they mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Mapping, Sequence

from ..describe.rasters import NO_CRS, RasterFile, stem_of
from ..rasters.grid import parse_crs
from .layers import Layer
from .product_layers import Stored, not_of_product, of_product
from .products import Product, recognise


@dataclass(frozen=True)
class Reading:
    """The product of a file, and whether the user named it."""

    product: Product
    asked: bool


def recognised(file: RasterFile, product: str, crs: str) -> tuple[RasterFile, Reading | None]:
    """Return a file with the CRS that it lacks, and its product."""
    stem = stem_of(file.path)
    found = recognise(product, stem, names=[text for text in (*file.descriptions, stem) if text],
                      cell=abs(file.grid.transform[0]))
    stated = crs or (found.crs if found else "")
    if file.problem == NO_CRS and stated:
        grid = replace(file.grid, crs_wkt=str(parse_crs(stated).to_wkt()))
        file = replace(file, grid=grid, problem="")
    return file, Reading(found, product != "auto") if found else None


def fitted(layer: Layer, file: RasterFile, reading: Reading | None, *texts: str) -> Layer:
    """Return a layer as its product means it."""
    found = reading.product.find(*texts) if reading else None
    if reading is None or found is None:
        return not_of_product(layer, reading.product) if reading and reading.asked else layer
    return of_product(layer, reading.product, found[0], Stored(file.integer, file.scaled, reading.asked))


def is_hwsd(reading: Reading | None) -> bool:
    """Return whether the values of a file are mapping units of HWSD."""
    return reading is not None and reading.product.name == "hwsd"


def soils(units: Layer, tables: Sequence[str], variables: Mapping[str, str]) -> list[Layer]:
    """Return the soil drivers of a raster of mapping units, see `hwsd`."""
    from .hwsd import find_table, soil_layers

    path = units.where.strip("'")
    return soil_layers(units, find_table(path, tables), variables)
