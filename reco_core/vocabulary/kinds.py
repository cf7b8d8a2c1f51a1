"""What a dataset must have to be of a kind; the checks read no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ..errors import SchemaError

if TYPE_CHECKING:
    import xarray as xr

FLUX_KINDS = ("reco", "rs", "rh")


def _require(ds: xr.Dataset, kind: str, dims: Iterable[str], names: Iterable[str],
             attrs: Iterable[str]) -> None:
    found = ds.attrs.get("reco_kind")
    if found != kind:
        raise SchemaError(f"This is not a table of {kind}: its reco_kind is {found!r}",
                          f"Give a file that RECO wrote as {kind}")
    for dim in dims:
        if dim not in ds.dims:
            raise SchemaError(f"The {kind} have no dimension '{dim}'", "The file is damaged: make it again")
    for name in names:
        if name not in ds:
            raise SchemaError(f"The {kind} have no variable '{name}'", "The file is damaged: make it again")
    for name in attrs:
        if name not in ds.attrs:
            raise SchemaError(f"The {kind} have no attribute '{name}'", "The file is damaged: make it again")


def check_observations(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` if it is a table of observations, else raise `SchemaError`."""
    _require(ds, "observations", ("site", "time"), ("lat", "lon", "igbp", "qc"),
             ("flux_kind", "time_step"))
    _require(ds, "observations", (), (ds.attrs["flux_kind"],), ())
    return ds


def check_samples(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` if it is a table of samples, else raise `SchemaError`."""
    _require(ds, "samples", ("sample",), ("site", "time", "lat", "lon", "igbp", "group", "target"),
             ("flux_kind", "time_step", "features"))
    _require(ds, "samples", (), feature_names(ds), ())
    return ds


def check_drivers(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` if it is a driver cube, else raise `SchemaError`."""
    _require(ds, "drivers", ("y", "x"), ("spatial_ref",), ())
    if "time" in ds.dims and "time_step" not in ds.attrs:
        raise SchemaError("The drivers have no attribute 'time_step'", "Read them with read_drivers")
    return ds


def feature_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the features of a sample table, in their order."""
    return [name for name in str(ds.attrs["features"]).split(",") if name]
