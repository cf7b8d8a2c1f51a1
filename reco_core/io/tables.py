"""Tables of any common kind, read as they are: text, parquet and point layers."""

from __future__ import annotations

import codecs
import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import pandas as pd

from ..deps import need
from ..errors import SchemaError
from .archives import Source, ends_in_line_end, last_line, on_disk, open_source, reading
from .points import read_points

MISSING_AT = -9990.0
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat")
VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb")
PARQUET_SUFFIXES = (".parquet", ".pq")
POINT_LON, POINT_LAT = "geometry_lon", "geometry_lat"

Choose = Callable[[list[str]], Sequence[str]]


@dataclass(frozen=True)
class Table:
    """The columns that were asked for, with what messages need to name a row."""

    frame: pd.DataFrame
    label: str
    first_line: int = 2
    row_word: str = "line"
    decimal: str = "."

    def row(self, at: int) -> str:
        """Return how a message names row `at`, counted from 0."""
        return f"{self.row_word} {self.frame.index[at] + self.first_line}"

    def numbers(self, column: str) -> np.ndarray:
        """Return a column as float64, with missing values and -9999 as NaN.

        Raises
        ------
        SchemaError
            A value is not a number; the message has file, column and line.
        """
        raw = self.frame[column]
        if self.decimal != "." and pd.api.types.is_string_dtype(raw.dtype):
            raw = raw.str.replace(self.decimal, ".", regex=False)
        values = pd.to_numeric(raw, errors="coerce").to_numpy("float64", na_value=np.nan, copy=True)
        blank = raw.isna().to_numpy()
        if raw.dtype == object or pd.api.types.is_string_dtype(raw.dtype):
            blank = blank | raw.astype(str).str.strip().eq("").to_numpy()
        bad = np.isnan(values) & ~blank
        if bad.any():
            at = int(np.argmax(bad))
            raise SchemaError(f"'{self.label}', column '{column}', {self.row(at)}: '{raw.iloc[at]}' is not a number",
                              "Correct the value, or leave it empty if it is missing")
        values[(values <= MISSING_AT) | ~np.isfinite(values)] = np.nan
        return values

    def texts(self, column: str) -> np.ndarray:
        """Return a column as stripped text, with '' where it is missing."""
        raw = self.frame[column]
        if pd.api.types.is_float_dtype(raw.dtype) and (raw.dropna() % 1 == 0).all():
            raw = raw.astype("Int64")
        texts = np.array(["" if pd.isna(value) else str(value).strip() for value in raw], dtype=object)
        texts[np.isin(texts, ["-9999", "-9999.0"])] = ""
        return texts


def is_table(name: str) -> bool:
    """Return whether a file name has the suffix of a table that can be read."""
    plain = re.sub(r"\.(gz|gzip)$", "", name.lower())
    return plain.endswith(TEXT_SUFFIXES + VECTOR_SUFFIXES + PARQUET_SUFFIXES)


def read_table(source: Source, choose: Choose, *, text_columns: Choose = lambda names: ()) -> Table:
    """Read the columns of one table that `choose` picks from the names it has.

    Parameters
    ----------
    source : Source
        Text (comma, semicolon or tab; decimal comma; gzip; zip member), parquet, or points
        (GeoPackage, GeoJSON, Shapefile). Points gain the columns 'geometry_lon' and 'geometry_lat'.
    choose : callable (names) -> names
    text_columns : callable (names) -> names
        Those never read as numbers, so that site '007' stays '007'.

    Raises
    ------
    SchemaError
        The file is empty, damaged or of no known kind.
    """
    plain = re.sub(r"\.(gz|gzip)$", "", source.name.lower())
    if plain.endswith(PARQUET_SUFFIXES):
        table = _read_parquet(source, choose)
    elif plain.endswith(VECTOR_SUFFIXES):
        table = _read_vector(source, choose)
    elif plain.endswith(TEXT_SUFFIXES):
        table = _read_text(source, choose, text_columns)
    else:
        raise SchemaError(f"'{source.label}' is no kind of table that can be read",
                          "Give " + ", ".join(TEXT_SUFFIXES[:3] + PARQUET_SUFFIXES[:1] + VECTOR_SUFFIXES[:2])
                          + ", also packed as .gz or .zip")
    if table.frame.empty:
        raise SchemaError(f"'{source.label}' has a header but no rows", "Give a table with data")
    return table


def _read_parquet(source: Source, choose: Choose) -> Table:
    arrow = need("pyarrow")
    parquet = need("pyarrow.parquet")
    with open_source(source) as stream:
        content = stream.read()
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        wanted = list(choose([str(name) for name in file.schema_arrow.names]))
        frame = file.read(columns=wanted).to_pandas()
    except (arrow.ArrowInvalid, OSError) as error:
        raise SchemaError(f"'{source.label}' is not a parquet file: {error}", "Write it again") from error
    return Table(frame.reset_index(drop=True), source.label, first_line=1, row_word="row")


def _read_vector(source: Source, choose: Choose) -> Table:
    with tempfile.TemporaryDirectory() as folder, on_disk(source, Path(folder)) as path:
        if path.stat().st_size == 0:
            raise SchemaError(f"'{source.label}' is empty (0 bytes)", "Download or export it again")
        frame, lon, lat = read_points(path, source.label)
    frame[POINT_LON], frame[POINT_LAT] = lon, lat
    wanted = list(choose([str(name) for name in frame.columns]))
    return Table(frame[wanted].copy(), source.label, first_line=1, row_word="feature")


def _read_text(source: Source, choose: Choose, text_columns: Choose) -> Table:
    with open_source(source) as stream:
        head = stream.read(2**18)
    if not head.strip():
        raise SchemaError(f"'{source.label}' is empty ({len(head)} bytes)", "Download or export it again")
    encoding = _encoding(head, source.label)
    lines = head.decode(encoding, errors="replace").splitlines()
    skip = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    separator = max(",;\t", key=lambda mark: (lines[skip].count(mark), mark == ","))
    decimal = "," if separator != "," and decimal_comma(lines[skip + 1:skip + 50], separator) else "."
    layout = {"sep": separator, "encoding": encoding, "skiprows": skip, "skipinitialspace": True}
    with reading(source.label):
        names = pd.read_csv(io.StringIO(lines[skip]), sep=separator, nrows=0, skipinitialspace=True).columns
        wanted = list(dict.fromkeys(choose([str(name).strip() for name in names])))
        places = {str(name).strip(): at for at, name in enumerate(names)}
        texts = [name for name in text_columns(wanted) if name in wanted]
        options = {**layout, "header": 0, "index_col": False, "decimal": decimal, "dtype": dict.fromkeys(texts, str),
                   "low_memory": False, "skip_blank_lines": False}
        _refuse_longer_rows(source, options, len(names), skip + 2)
        with open_source(source) as stream:
            raw = stream.raw  # type: ignore[attr-defined]
            try:
                frame = pd.read_csv(stream, **options, names=list(places), usecols=[places[name] for name in wanted])
            except pd.errors.ParserError as error:
                raise SchemaError(f"'{source.label}' is not a regular table: {error}",
                                  "Every row must have as many fields as the header") from error
    _refuse_cut(raw, source.label, separator.encode(), encoding, len(names), len(frame) + skip + 1)
    return Table(frame[~frame.isna().all(axis=1)], source.label, skip + 2, decimal=decimal)


def _refuse_cut(raw: io.RawIOBase, label: str, separator: bytes, encoding: str, width: int, line: int) -> None:
    """Raise if the file ends in the middle of a row: no line end, and fewer fields than the header."""
    if encoding == "utf-16" or ends_in_line_end(raw):
        return
    fields = last_line(raw).count(separator) + 1
    if fields < width:
        raise SchemaError(f"'{label}' is cut off: its last line {line} has {fields} of {width} fields",
                          "Download or copy it again")


def _refuse_longer_rows(source: Source, options: dict[str, Any], width: int, first_line: int) -> None:
    """Raise if a row has more fields than the header; pandas would drop them without a word."""
    with open_source(source) as stream:
        try:
            beyond = pd.read_csv(stream, **{**options, "dtype": str}, usecols=[width],
                                 names=[str(at) for at in range(width + 1)])
        except pd.errors.ParserError:
            # no row is that long
            return
    filled = beyond.iloc[:, 0].notna().to_numpy()
    if filled.any():
        raise SchemaError(f"'{source.label}', line {int(np.argmax(filled)) + first_line}: the row has more fields than "
                          f"the {width} of the header", "Every row must have as many fields as the header")


def _encoding(head: bytes, label: str) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\x00" in head[:4096]:
        raise SchemaError(f"'{label}' is not a text table: it has binary content",
                          "Give a CSV, TSV, parquet or GeoPackage file")
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def decimal_comma(lines: Sequence[str], separator: str) -> bool:
    """Return whether numbers in these lines are written with a comma, such as 3,5."""
    return any(re.fullmatch(r"\s*\"?[-+]?\d*,\d+([eE][-+]?\d+)?\"?\s*", token)
               for line in lines for token in line.split(separator))
