"""Stored numbers of satellite layers as values of drivers: scale, offset, fill, valid range, unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Optional

import numpy as np

from ...errors import SchemaError
from ...vocabulary import to_canonical, variable
from ...vocabulary.calendar import step_days
from ..drivers.values import check_range
from .products import ProductLayer
from .scene import Stored

TABLE_BYTES = 2  # types up to this size are decoded with a table of all their values
SAME = 1e-3


@dataclass(frozen=True)
class Packing:
    """How stored numbers become canonical values: value = stored x factor + offset within `valid`, else NaN."""

    factor: float
    offset: float
    valid: tuple[float, float]
    fills: tuple[float, ...]
    limits: tuple[float, float]
    layer: ProductLayer

    def apply(self, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values (float32), and where stored values were data beyond the limits of the driver."""
        data = (stored >= self.valid[0]) & (stored <= self.valid[1])
        if stored.dtype.kind == "f":
            data &= np.isfinite(stored)
        for fill in self.fills:
            data &= stored != fill
        if self.layer.flags:
            bits = np.bitwise_or.reduce([1 << bit for bit in self.layer.flags])
            values = np.where(stored.astype("int64") & bits, 100.0, 0.0)
        else:
            whole = stored.astype("float64")
            for old, new in self.layer.recode:
                whole[stored == old] = new
            values = whole * self.factor + self.offset
        beyond = data & ~((values >= self.limits[0]) & (values <= self.limits[1]))
        values[~data | beyond] = np.nan
        return values.astype("float32"), beyond


@dataclass(frozen=True)
class Decoder:
    """Windows of a stored layer as values of a driver."""

    stored: Stored
    packing: Packing
    physical: bool
    table: Optional[tuple[np.ndarray, np.ndarray]] = field(repr=False, default=None)

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, int]:
        """Return a window (rows, columns), float32, and how many values were out of range."""
        raw = self.stored.pixels.read(rows, columns)
        if raw.dtype != self.stored.dtype and raw.dtype.itemsize == self.stored.dtype.itemsize:
            raw = raw.view(self.stored.dtype)  # unsigned numbers in a signed type
        if self.table is None or raw.dtype != self.stored.dtype:
            values, beyond = self.packing.apply(raw)
            return values, int(np.count_nonzero(beyond))
        index = np.ascontiguousarray(raw).view(f"u{raw.dtype.itemsize}")
        values = self.table[0].take(index)
        outside = int(np.count_nonzero(self.table[1].take(index))) if self.table[1].any() else 0
        return values, outside

    def check(self, driver: str, values: np.ndarray) -> None:
        """Refuse values that a file claims to be scaled already and that cannot be."""
        if self.physical:
            check_range(driver, values, self.stored.where)


def decoder(stored: Stored, layer: ProductLayer, date: Optional[np.datetime64], time_step: str) -> Decoder:
    """Return how a layer is decoded.

    What the file states goes before the table of products and is checked against it. Floating-point
    numbers without a scale are taken as values that were scaled already.

    Raises
    ------
    SchemaError
        The scale is stated neither by the file nor by the product, or they contradict each other.
    """
    physical = stored.dtype.kind == "f" and stored.scale is None
    scale, offset = (1.0, 0.0) if physical else _scale(stored, layer)
    unit = stored.unit if physical and _convertible(layer.name, stored.unit) else layer.unit
    days = step_days(np.array([date], dtype="datetime64[D]"), time_step)[0] if date is not None else 1.0
    known = variable(layer.name)
    if known.unit == unit or layer.name == "igbp":
        shift, stretch = 0.0, 1.0
    else:
        shift, one = (float(to_canonical(layer.name, value, unit, days=days)) for value in (0.0, 1.0))
        stretch = one - shift
    limits = (-np.inf, np.inf) if physical else (known.low, known.high)
    packing = Packing(scale * stretch, offset * stretch + shift, _valid(stored, layer, physical),
                      _fills(stored, layer), limits, layer)
    small = stored.dtype.kind in "iu" and stored.dtype.itemsize <= TABLE_BYTES
    return Decoder(stored, packing, physical, _table(packing, stored.dtype.str) if small else None)


@lru_cache(maxsize=64)
def _table(packing: Packing, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what each number of a small type becomes, in the order of its bits."""
    size = np.dtype(dtype).itemsize
    return packing.apply(np.arange(2 ** (8 * size), dtype=f"u{size}").view(dtype))


def _scale(stored: Stored, layer: ProductLayer) -> tuple[float, float]:
    """Return scale and offset; VI products state the inverse of their scale."""
    if stored.scale is None and layer.scale is None:
        raise SchemaError(f"{stored.where} states no scale factor, and that of {layer.name} differs between versions "
                          "of this product", "Use the files as downloaded, or write the scale into them, for example "
                          "with gdal_edit.py -scale 0.1")
    scale = layer.scale if stored.scale is None else stored.scale
    assert scale is not None
    if layer.scale is not None and not np.isclose(scale, layer.scale, rtol=SAME):
        if scale == 0 or not np.isclose(1 / scale, layer.scale, rtol=SAME):
            raise SchemaError(f"{stored.where} states the scale factor {scale:g}; that of this product is "
                              f"{layer.scale:g}", "Check that the file is of this product and was not changed")
        scale = layer.scale
    offset = layer.offset if stored.offset is None else stored.offset
    if layer.scale is not None and not np.isclose(offset, layer.offset, atol=SAME * abs(scale)):
        raise SchemaError(f"{stored.where} states the offset {offset:g}; that of this product is {layer.offset:g}",
                          "Check that the file is of this product and was not changed")
    return scale, offset


def _valid(stored: Stored, layer: ProductLayer, physical: bool) -> tuple[float, float]:
    if physical:
        return -np.inf, np.inf
    if stored.valid is None:
        return layer.valid
    low, high = max(stored.valid[0], layer.valid[0]), min(stored.valid[1], layer.valid[1])
    if low > high:
        raise SchemaError(f"{stored.where} states the valid range {stored.valid[0]:g} to {stored.valid[1]:g}; that of "
                          f"this product is {layer.valid[0]:g} to {layer.valid[1]:g}",
                          "Check that the file is of this product and was not changed")
    return low, high


def _fills(stored: Stored, layer: ProductLayer) -> tuple[float, ...]:
    return tuple(dict.fromkeys((*stored.fills, *layer.fills)))


def _convertible(name: str, unit: str) -> bool:
    if not unit:
        return False
    try:
        to_canonical(name, 0.0, unit, days=1.0)
    except SchemaError:
        return False
    return True
