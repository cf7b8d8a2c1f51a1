"""COSORE as tables: its CSV export and tables of daily port means; and the data sets of all layouts together."""

from __future__ import annotations

import re
from functools import partial
from typing import Mapping, Sequence

import numpy as np
import pandas as pd

from ...errors import SampleError, SchemaError
from ..archives import Source
from ..tables import Table, read_table
from .chambers import match_header, peek_header
from .cosore_files import DataSet, Records, in_repository, records_of, tidy

DAILY_TABLE: dict[str, tuple[str, ...]] = {
    "dataset": ("dataset",), "date": ("date",), "port": ("port",), "var": ("var",), "treatment": ("treatment",),
    "flux": ("flux_umol_m2_s",), "ts": ("soil_temp_degC",), "ta": ("air_temp_degC",), "swc": ("soil_moisture_vv",)}
EXPORT_MARK, DAILY_MARKS = "csr_flux_co2", {"dataset", "date", "port", "var", "flux_umol_m2_s"}


def find_data_sets(sources: Sequence[Source]) -> list[DataSet]:
    """Return the data sets of all layouts; one that has its own folder is not taken from a table again.

    Raises
    ------
    SchemaError
        A data set lacks a file, or nothing here is of COSORE.
    SampleError
        A data set is there twice.
    """
    found = in_repository(sources)
    tables = {source: set(peek_header(source)) for source in sources if source.name.lower().endswith((".csv", ".gz"))}
    for more in (_exported(tables), _daily(sources, tables)):
        known = {data_set.name for data_set in found}
        found += [data_set for data_set in more if data_set.name not in known]
    if not found:
        shown = ", ".join(source.label for source in sources[:10]) or "no file at all"
        raise SchemaError(f"No data set of COSORE is here: {shown}",
                          "Give the folder of a data set (with DESCRIPTION.txt, PORTS.txt and data/data.RDS), a folder "
                          "of them, or its CSV export")
    names = [data_set.name for data_set in found]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SampleError(f"Data set '{double}' is there {names.count(double)} times", "Keep one copy of its folder")
    return sorted(found, key=lambda data_set: data_set.name)


def _exported(tables: Mapping[Source, set[str]]) -> list[DataSet]:
    """Return the data sets of a CSV export: description.csv, ports.csv and a table per data set."""
    data = [source for source, header in tables.items() if EXPORT_MARK in header]
    if not data:
        return []
    about = _by_data_set(tables, {"csr_latitude", "csr_longitude"}, "description.csv")
    ports = _by_data_set(tables, {"csr_port", "csr_msmt_var"}, "ports.csv")
    return [_from_export(source, about, ports) for source in data]


def _by_data_set(tables: Mapping[Source, set[str]], marks: set[str], wanted: str) -> dict[str, list[dict[str, str]]]:
    found = [source for source, header in tables.items() if header >= {*marks, "csr_dataset"}]
    if len(found) != 1:
        raise SchemaError(f"{len(found)} files are like {wanted} of the CSV export of COSORE (columns CSR_DATASET, "
                          + ", ".join(sorted(mark.upper() for mark in marks)) + ")",
                          f"Give the folder of the export, with its {wanted} and the tables of the data sets")
    table = read_table(found[0], lambda names: names, text_columns=lambda names: names)
    rows: dict[str, list[dict[str, str]]] = {}
    columns = {str(name).upper(): table.texts(str(name)) for name in table.frame.columns}
    for at in range(len(table.frame)):
        row = {name: str(values[at]) for name, values in columns.items()}
        rows.setdefault(row["CSR_DATASET"], []).append(row)
    return rows


def _from_export(source: Source, about: Mapping[str, list[dict[str, str]]],
                 ports: Mapping[str, list[dict[str, str]]]) -> DataSet:
    name = re.sub(r"\.csv(\.gz)?$", "", source.name, flags=re.IGNORECASE)
    name = next((key for key in (name, name.removeprefix("data_")) if key in about), "")
    if not name or name not in ports:
        raise SchemaError(f"'{source.label}': description.csv and ports.csv know no data set of this name",
                          "They know, for example: " + ", ".join(list(about)[:5]))
    plain = {row["CSR_PORT"]: (row["CSR_MSMT_VAR"], tidy(row.get("CSR_TREATMENT", ""))) for row in ports[name]}

    def load() -> Records | None:
        table = read_table(source, lambda names: [n for n in names if n.upper().startswith("CSR_")],
                           text_columns=lambda names: [n for n in names if "TIMESTAMP" in n.upper()])
        frame = table.frame.rename(columns=str.upper)
        for column in [column for column in frame if "TIMESTAMP" in column]:
            frame[column] = _utc_seconds(frame[column])
        return records_of(frame, about[name][0], source.label)

    return DataSet(name, about[name][0], plain, load, source.label, frozenset(var for var, _ in plain.values()))


def _utc_seconds(texts: pd.Series) -> pd.Series:
    stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return pd.Series((stamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds(), index=texts.index)


def _daily(sources: Sequence[Source], tables: Mapping[Source, set[str]]) -> list[DataSet]:
    """Return the data sets of a table of daily port means, with positions from a table of data sets beside it."""
    found = [source for source, header in tables.items() if header >= DAILY_MARKS]
    result = []
    for source in found:
        picked: dict[str, str] = {}

        def choose(names: list[str], picked: dict[str, str] = picked, label: str = source.label) -> Sequence[str]:
            picked.update(match_header(names, DAILY_TABLE, ("dataset", "date", "port", "var", "flux"), label, {},
                                       "COSORE"))
            return list(picked.values())

        table = read_table(source, choose, text_columns=lambda names: [
            name for name in names if name in ("dataset", "date", "port", "var", "treatment")])
        result += _split(table, picked, _beside(source, tables))
    return result


def _beside(source: Source, tables: Mapping[Source, set[str]]) -> dict[str, dict[str, str]]:
    """Return what is known of each data set: from a table of them in the same folder."""
    siblings = list(tables) if source.members else [*tables, *(Source(path) for path in
                                                               sorted(source.path.parent.glob("*datasets*.csv")))]
    for sibling in siblings:
        if set(peek_header(sibling)) >= {"dataset", "lat", "lon"}:
            table = read_table(sibling, lambda names: names, text_columns=lambda names: names)
            columns = {str(name).lower(): table.texts(str(name)) for name in table.frame.columns}
            keys = {"CSR_LATITUDE": "lat", "CSR_LONGITUDE": "lon", "CSR_ELEVATION": "elev", "CSR_IGBP": "igbp",
                    "CSR_PRIMARY_PUB": "doi"}
            return {str(name): {key: str(columns[column][at]) for key, column in keys.items() if column in columns}
                    for at, name in enumerate(columns["dataset"])}
    return {}


def _split(table: Table, picked: Mapping[str, str], about: Mapping[str, dict[str, str]]) -> list[DataSet]:
    names, at = np.unique(table.texts(picked["dataset"]).astype(str), return_inverse=True)
    days = pd.to_datetime(table.frame[picked["date"]], format="%Y-%m-%d", errors="coerce").to_numpy("datetime64[s]")
    if np.isnat(days).any():
        row = int(np.argmax(np.isnat(days)))
        raise SchemaError(f"'{table.label}', column '{picked['date']}', {table.row(row)}: "
                          f"'{table.frame[picked['date']].iloc[row]}' is not a date", "Wanted: YYYY-MM-DD")
    text = {key: table.texts(picked[key]) if key in picked else np.full(len(days), "", dtype=object)
            for key in ("port", "var", "treatment")}
    text["treatment"] = np.array([tidy(words) for words in text["treatment"]], dtype=object)
    flux = table.numbers(picked["flux"])
    drivers = {key: table.numbers(picked[key]) for key in ("ts", "ta", "swc") if key in picked}
    result = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(at == number)
        records = Records(days[rows], text["port"][rows], flux[rows], np.zeros(rows.size, dtype=bool),
                          np.full(rows.size, np.nan), {key: values[rows] for key, values in drivers.items()},
                          text["var"][rows], text["treatment"][rows])
        result.append(DataSet(str(name), about.get(str(name), {}), {}, partial(_same, records), table.label,
                              frozenset(str(var) for var in set(records.var if records.var is not None else ()))))
    return result


def _same(records: Records) -> Records:
    return records
