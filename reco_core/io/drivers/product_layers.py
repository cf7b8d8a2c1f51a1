"""Layers of products with the names, units, scale factors and fill values that their files do not state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import SchemaError
from ..rasters.arrays import Linear, Reader, VariableReader, lazy_variable
from .layers import DIMS, Layer
from .product_values import Valid
from .products import NO_LIMITS, Field, Product


@dataclass(frozen=True)
class Stored:
    """How a file stores values.

    Parameters
    ----------
    integer : bool
        As integers.
    scaled : bool
        With a scale factor that it states, and that is applied already.
    asked : bool
        Whether the user named the product, so that its scale is applied to fractional numbers, too.
    netcdf : bool
        Whether the format has attributes for scale factors.
    """

    integer: bool
    scaled: bool
    asked: bool = False
    netcdf: bool = False


def of_product(layer: Layer, product: Product, field: Field, stored: Stored) -> Layer:
    """Return a layer as its product means it.

    Parameters
    ----------
    layer : Layer
        With values as stored, or as the scale factor of the file makes them.
    product, field : Product, Field
    stored : Stored

    Raises
    ------
    SchemaError
        The product is packed with scale factors of each file, and this one states none.
    """
    if field.packed and stored.netcdf and stored.integer and not stored.scaled:
        raise SchemaError(
            f"{layer.where} stores integers and states no scale_factor, but {product.title} is packed",
            "Fetch the original file again; if its values are physical numbers, set product=none")
    reader: Reader = VariableReader(layer.data, DIMS, layer.where)
    changed = False
    if (field.fills or field.valid != NO_LIMITS) and not stored.scaled:
        reader, changed = Valid(reader, field.fills, field.valid), True
    scale = field.scale if not stored.scaled and (stored.integer or stored.asked) and not (
        stored.netcdf and field.packed) else 1.0
    if scale != 1 or field.factor != 1:
        reader, changed = Linear(reader, scale * field.factor, 0.0), True
    unit = _unit(layer.unit, field)
    words = [f"{layer.label}: {product.title}, '{layer.name}' in {unit or 'no unit'}"]
    words += [f"stored values x {scale:g}"] if scale != 1 else []
    words += ["taken as scaled already"] if field.scale != 1 and scale == 1 and not stored.scaled else []
    words += ["sign turned"] if field.factor < 0 else []
    words += [field.note] if field.note and (unit == field.unit or not field.stated) else []
    data = lazy_variable(DIMS, reader) if changed else layer.data
    return replace(layer, data=data, unit=unit, notes=(*layer.notes, ", ".join(words)))


def not_of_product(layer: Layer, product: Product) -> Layer:
    """Return a layer that a named product does not have, with a note that says so."""
    return replace(layer, notes=(*layer.notes, f"{layer.label}: no variable of {product.title}, taken at its word"))


def _unit(stated: str, field: Field) -> str:
    """Return the unit of physical values: that of the product, unless the file states another one."""
    plain = " ".join(stated.strip().lower().split())
    return field.unit if not plain or plain in field.stated else stated
