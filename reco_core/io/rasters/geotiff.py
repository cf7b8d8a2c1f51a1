"""Maps as GeoTIFF: written tile by tile with a style beside them, and read back lazily."""

from __future__ import annotations

import logging
import os
import re
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...errors import ResourceError, SchemaError, out_of_memory
from ..files import atomic, require
from .arrays import limit_cache
from .grid import Grid
from .qml import Stats, Style, style_text

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256
SAMPLE_VALUES = 400_000
NODATA = {"float32": -9999.0, "float64": -9999.0, "uint8": 255.0, "int16": -9999.0, "int32": -9999.0,
          "uint16": 65535.0}


class RasterWriter:
    """Writes a GeoTIFF window by window; it appears, with its style, when the block of `with` ends without error.

    Parameters
    ----------
    path : path
        Final name; the style gets the same stem and the ending .qml.
    grid : Grid
    bands : sequence of str
        Description of each band, such as YYYY-MM or the name of a driver.
    unit : str or sequence of str
        Unit of all bands, or of each.
    dtype : str
    nodata : float, optional
        What is written for NaN; by default -9999, or 255 for uint8.
    tags : mapping of str to str
    style : Style, optional
    compress : {"zstd", "deflate"}
        DEFLATE is larger and slower, but every program reads it.

    Examples
    --------
    ::

        with RasterWriter("reco.tif", Grid.of(ds), ["2001-01", "2001-02"], unit="g C m-2 month-1") as writer:
            writer.write(values, row0=0, col0=0)
    """

    def __init__(self, path: str | os.PathLike[str], grid: Grid, bands: Sequence[str], *,
                 unit: str | Sequence[str] = "", dtype: str = "float32", nodata: float | None = None,
                 tags: Mapping[str, str] | None = None, style: Style | None = None, compress: str = "zstd") -> None:
        self.path = Path(path)
        self.grid = grid
        self.bands = [str(band) for band in bands]
        self.units = [unit] * len(self.bands) if isinstance(unit, str) else list(unit)
        self.dtype = np.dtype(dtype)
        self.nodata = NODATA[str(self.dtype)] if nodata is None else float(nodata)
        self.style = style
        self._tags = dict(tags or {})
        self._compress = compress
        self._stack = ExitStack()
        wanted = [band - 1 for band in style.bands] if style and style.bands else range(len(self.bands))
        self._stats = _Statistics(grid, list(wanted))

    def tag(self, **tags: str) -> None:
        """Set tags that are known only while writing."""
        self._tags.update({name: str(value) for name, value in tags.items()})

    def __enter__(self) -> RasterWriter:
        limit_cache()
        with ExitStack() as stack:
            if self.style is not None:
                self._style_part = stack.enter_context(atomic(self.path.with_suffix(".qml")))
            self.temporary = stack.enter_context(atomic(self.path))
            with self._watched():
                self._file = rasterio.open(self.temporary, "w", **self._profile())
            self._stack = stack.pop_all()
        return self

    @property
    def temporaries(self) -> list[Path]:
        """The names that raster and style have until both are whole."""
        return [self.temporary, *([] if self.style is None else [self._style_part])]

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Turn what GDAL complains of into an error; a full disk is only logged, at the level of remarks."""
        try:
            with rasterio.Env(), _Complaints() as complaints:
                yield
        except RasterioError as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise _failed(self.path, str(error)) from error
        if complaints.texts:
            raise _failed(self.path, complaints.texts[0])

    def _profile(self) -> dict[str, Any]:
        predictor = {"zstd": 3, "deflate": 3} if self.dtype.kind == "f" else {"zstd": 2, "deflate": 2}
        level = {"zstd_level": 1} if self._compress == "zstd" else {"zlevel": 1}
        return {"driver": "GTiff", "count": len(self.bands), "height": self.grid.height, "width": self.grid.width,
                "dtype": str(self.dtype), "nodata": self.nodata, "crs": self.grid.crs_wkt,
                "transform": rasterio.Affine(*self.grid.transform), "tiled": True, "blockxsize": BLOCK,
                "blockysize": BLOCK, "compress": self._compress, "predictor": predictor[self._compress], **level,
                "interleave": "band", "bigtiff": "IF_SAFER", "num_threads": 2, "sparse_ok": True}

    def write(self, values: np.ndarray, row0: int, col0: int, band0: int = 0) -> None:
        """Write a window.

        Parameters
        ----------
        values : array of shape (bands, h, w)
            NaN where there is nothing.
        row0, col0 : int
            Upper left cell of the window; whole blocks of 256 cells are fastest.
        band0 : int
            First band written, counted from 0; for windows with some of the bands.

        Raises
        ------
        ResourceError
            The disk is full.
        """
        values = np.asarray(values)
        if values.ndim == 2:
            values = values[None]
        count, height, width = values.shape
        self._stats.add(values, row0, col0, band0)
        window = Window(col0, row0, width, height)
        with self._watched():
            self._file.write(self._stored(values), indexes=list(range(band0 + 1, band0 + count + 1)), window=window)

    def _stored(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind != "f":
            return values.astype(self.dtype, copy=False)
        missing = np.isnan(values)
        if self.dtype.kind != "f":
            values = np.round(values)
        return np.where(missing, self.nodata, values).astype(self.dtype, copy=False)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._stack:
            if kind is not None:
                with suppress(ResourceError), self._watched():
                    self._file.close()
                self._stack.pop_all().__exit__(kind, error, trace)
                return
            self.finish()
        # statistics that QGIS kept of an older file under this name
        self.path.with_name(self.path.name + ".aux.xml").unlink(missing_ok=True)

    def finish(self) -> None:
        """Write all that is still in memory; done at the end of `with` if not before.

        Those who write several rasters call it for each before the first of them gets its name.

        Raises
        ------
        ResourceError
            The disk is full.
        """
        if self._file.closed:
            return
        with self._watched():
            for i, (name, unit) in enumerate(zip(self.bands, self.units), 1):
                self._file.set_band_description(i, name)
                if unit:
                    self._file.set_band_unit(i, unit)
            self._file.update_tags(**self._tags)
            self._file.close()
        with self._watched(), rasterio.open(self.temporary) as written:
            if written.descriptions != tuple(self.bands):
                raise _failed(self.path, "what was written cannot be read")
        if self.style is not None:
            self._style_part.write_text(style_text(self.style, self.stats), encoding="utf-8", newline="\n")

    @property
    def stats(self) -> Stats:
        """What was written so far, of the bands that the style is for."""
        return self._stats.result()


class _Complaints(logging.Filter):
    """Keeps what GDAL says of writing that failed, and hides its other remarks."""

    _loggers = tuple(logging.getLogger(name) for name in ("rasterio._env", "rasterio._err"))
    _writing = re.compile(r"writ|space|seek", re.IGNORECASE)

    def __enter__(self) -> _Complaints:
        self.texts: list[str] = []
        self._thread = threading.get_ident()
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.INFO)
            logger.addFilter(self)
        return self

    def __exit__(self, *error: object) -> None:
        for logger, level in zip(self._loggers, self._levels):
            logger.setLevel(level)
            logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        own = record.thread == self._thread  # others read meanwhile
        if own and "signalled an error" in text and self._writing.search(text):
            self.texts.append(text)
        return record.levelno >= logging.WARNING


def _failed(path: Path, reason: str) -> ResourceError:
    return ResourceError(f"'{path}' could not be written, perhaps since the disk is full: {reason}",
                         "Free some space, or write where you may and where there is more")


class _Statistics:
    """Least, largest and quantiles of what passes; the sample does not depend on the windows."""

    def __init__(self, grid: Grid, bands: list[int]) -> None:
        self._bands = bands
        values = grid.height * grid.width * max(1, len(bands))
        self._step = max(1, int(np.ceil(np.sqrt(values / SAMPLE_VALUES))))
        self._low, self._high = np.inf, -np.inf
        self._sample: list[np.ndarray] = []

    def add(self, values: np.ndarray, row0: int, col0: int, band0: int) -> None:
        for band in self._bands:
            if not band0 <= band < band0 + len(values):
                continue
            layer = values[band - band0]
            flat = layer.reshape(-1)
            low, high = float(np.fmin.reduce(flat)), float(np.fmax.reduce(flat))
            if np.isnan(low):
                continue
            self._low, self._high = min(self._low, low), max(self._high, high)
            step = self._step
            part = layer[-row0 % step::step, -col0 % step::step].astype("float32").reshape(-1)
            self._sample.append(part[~np.isnan(part)])

    def result(self) -> Stats:
        if self._low > self._high:
            return Stats()
        sample = np.concatenate(self._sample)
        if sample.size == 0:
            return Stats(self._low, self._high, self._low, self._high)
        p02, p98 = np.quantile(sample.astype("float64"), [0.02, 0.98])
        return Stats(self._low, self._high, float(p02), float(p98))


def read_series(path: str | os.PathLike[str]) -> xr.DataArray:
    """Open a raster with a band per time step.

    Parameters
    ----------
    path : path
        Its bands are described YYYY, YYYY-MM or YYYY-MM-DD.

    Returns
    -------
    xarray.DataArray, dims (time, y, x), float32
        Nothing is read yet. attrs: units, time_step, long_name; the grid is in `spatial_ref`.

    Raises
    ------
    SchemaError
        The file is not there, no raster, or its bands carry no dates.
    GridError
        The dates do not increase, or the raster has no CRS.
    """
    from .stacks import open_series

    return open_series(str(require(path, "raster")))


def raster_tags(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the tags of a raster."""
    try:
        with rasterio.open(require(path, "raster")) as file:
            return dict(file.tags())
    except RasterioError as error:
        raise SchemaError(f"'{path}' is no raster that RECO can read: {error}",
                          "Give a GeoTIFF or another GDAL raster") from error
