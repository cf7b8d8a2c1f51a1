"""What was left out and why, and what was done: carried in the attributes of a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Mapping, Sequence

if TYPE_CHECKING:
    import xarray as xr

Entry = dict[str, Any]


def ledger(ds: xr.Dataset) -> list[Entry]:
    """Return the ledger of `ds`: entries with `reason`, `count` and, where known, `sites` and `detail`."""
    return list(json.loads(ds.attrs.get("ledger", "[]")))


def note(ds: xr.Dataset, reason: str, count: int, *, sites: Mapping[str, int] | None = None,
         detail: str = "") -> None:
    """Add an entry to the ledger of `ds`; a count of 0 marks a remark about nothing dropped."""
    entry: Entry = {"reason": reason, "count": int(count)}
    if sites:
        entry["sites"] = {site: int(n) for site, n in sorted(sites.items())}
    if detail:
        entry["detail"] = detail
    set_ledger(ds, join_ledgers([ledger(ds), [entry]]))


def set_ledger(ds: xr.Dataset, entries: Sequence[Entry]) -> None:
    """Replace the ledger of `ds`."""
    ds.attrs["ledger"] = json.dumps(list(entries), sort_keys=True, ensure_ascii=False)


def join_ledgers(ledgers: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return one ledger; entries of the same reason become one, with counts added and details listed."""
    joined: dict[str, Entry] = {}
    for entry in (entry for entries in ledgers for entry in entries):
        kept = joined.setdefault(entry["reason"], {"reason": entry["reason"], "count": 0})
        kept["count"] += entry["count"]
        for site, count in entry.get("sites", {}).items():
            kept.setdefault("sites", {})[site] = kept.get("sites", {}).get(site, 0) + count
        detail, known = entry.get("detail", ""), kept.get("detail", "")
        if detail and detail not in known.split("; "):
            kept["detail"] = f"{known}; {detail}" if known else detail
    return list(joined.values())


def ledger_lines(entries: Sequence[Entry]) -> list[str]:
    """Return the ledger as text, a line per entry."""
    lines = []
    for entry in entries:
        detail = f" ({entry['detail']})" if entry.get("detail") else ""
        count = f"{entry['count']} " if entry["count"] else ""
        lines.append(f"{count}{entry['reason']}{detail}")
    return lines


def add_history(ds: xr.Dataset, line: str) -> None:
    """Append a line to the history of `ds`."""
    known = ds.attrs.get("history", "")
    ds.attrs["history"] = f"{known}\n{line}" if known else line
