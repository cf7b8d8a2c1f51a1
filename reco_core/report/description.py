"""The page about what is in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from .page import Figure, Page, Part, TableOf, render_page
from .palette import pretty_unit


@dataclass(frozen=True)
class Block:
    """What is known of one file.

    Parameters
    ----------
    label, kind : str
    facts : pairs of key and text
    heads : sequence of str
    rows : sequence of rows of text, as `heads`
    notes : sequence of str
    needs : pairs of title and (name, whether it can be done, words)
    read_with : str
        The command that reads it.
    """

    label: str
    kind: str
    facts: Sequence[tuple[str, str]]
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    needs: Sequence[tuple[str, Sequence[tuple[str, bool, str]]]] = ()
    read_with: str = ""


def build_description(blocks: Sequence[Block]) -> str:
    """Return the page about files as HTML text.

    Raises
    ------
    MissingDependency
        jinja2 is not installed.
    """
    one = len(blocks) == 1
    parts = [part for number, block in enumerate(blocks) for part in _parts(block, "" if one else f"{number + 1}-")]
    title = blocks[0].label if one else f"{len(blocks)} files"
    return render_page(Page("RECO description", title, [blocks[0].kind] if one else [block.label for block in blocks],
                            parts))


def _parts(block: Block, prefix: str) -> list[Part]:
    title = "What it is" if not prefix else f"{block.label}: {block.kind}"
    tables = [TableOf(("Property", "Value"), block.facts, words=2)] if block.facts else []
    parts = [Part(f"{prefix}what", title, tables=tables, bullets=block.notes)]
    if block.rows:
        drawn = _gaps(block, prefix)
        kept = [at for at in range(len(block.heads)) if any(row[at] for row in block.rows)]
        rows = [[pretty_unit(row[at]) or row[at] if block.heads[at] == "unit" else row[at] for at in kept]
                for row in block.rows]
        heads = [block.heads[at][0].upper() + block.heads[at][1:] for at in kept]
        parts.append(Part(f"{prefix}columns", "Variables", figures=[drawn] if drawn else (), tables=[
            TableOf(heads, rows, words=len(heads), hint="Unit ? : none is stated. A RECO name with ? is a guess. "
                                                        "Missing values and range are of what was looked at.")]))
    for name, needs in block.needs:
        table = [(need, "yes" if able else "not yet", text if able else f"still missing: {text}")
                 for need, able, text in needs]
        parts.append(Part(f"{prefix}{name.split()[0].lower()}", name,
                          tables=[TableOf(("Step or method", "Possible", "What is here or missing"), table, words=3)]))
    if block.read_with:
        parts.append(Part(f"{prefix}read", "Read it with", [block.read_with]))
    return parts


def _gaps(block: Block, prefix: str) -> Optional[Figure]:
    """Return a drawing of the share of missing values, where it tells something and can be drawn."""
    missing = [(f"{row[0]} ({row[1]})" if row[0] != row[1] else row[0], float(row[3].rstrip(" %")))
               for row in block.rows if row[3] and row[0] != "-"]
    if len(missing) < 2 or not any(share > 0 for _, share in missing):
        return None
    from .canvas import png, style
    from .figures_description import missing_bars

    with style():
        picture = png(missing_bars([name for name, _ in missing], [share for _, share in missing]))
    return Figure(f"{prefix}missing", "Missing values", "Share of missing values in what was looked at.", picture,
                  wide=False)
