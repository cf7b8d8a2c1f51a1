"""The action that reads satellite products."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Optional

from ..drivers import qa
from ..io.files import scratch
from ..io.rasters.arrays import close_opened
from ..io.rasters.cubes import open_cube, write_cube
from ..io.satellite.cube import Screening, Tally, satellite_dataset
from ..io.satellite.files import find_scenes
from ..io.satellite.hdf4 import close_all
from ..io.satellite.products import Product
from ..progress import Progress
from ..vocabulary import canonical_name
from .derive_run import write_rasters
from .drivers import summary
from .texts import counted, names

FINDING, WRITING = 0.05, 0.9


def read_satellite(*, path: Any, product: str, chosen: Optional[str], quality: str, period: Optional[str],
                   region: Optional[str], memory: float, output: str, rasters: Optional[str],
                   progress: Progress) -> dict[str, Any]:
    """Read MODIS and other satellite products: mosaic tiles, scale, screen by quality bits, write a driver cube."""
    paths = [path] if isinstance(path, str) else list(path)
    wanted = [canonical_name(name) or name.lower() for name in names(chosen)]
    with scratch(output) as folder:
        try:
            found = find_scenes(paths, product, folder, period=period, progress=progress.span(0.0, FINDING))
            rule = qa.rule(found.product.rule, quality)
            ds, tally = satellite_dataset(found, chosen=wanted, screening=screening(rule, quality), region=region,
                                          period=period)
            words = _words(rule, quality)
            ds.attrs["history"] = f"{ds.attrs['history']}, quality {words}"
            write_cube(ds, output, memory_gb=memory, progress=progress.span(FINDING, WRITING if rasters else 1.0))
        finally:
            close_all()
            close_opened()
    if rasters:
        write_rasters(open_cube(output), rasters, step="read_satellite", memory=memory,
                      progress=progress.span(WRITING, 1.0))
    lines = [f"{found.short_name}: {counted(len(found.scenes), 'scene')}", *summary(ds), f"quality: {words}",
             *_shares(tally, [str(name) for name in ds.data_vars if name != "inside"], rule is not None),
             *_doubt(found.product)]
    return {"output": output, **({"rasters": rasters} if rasters else {}), "summary": lines,
            "citations": [found.product.citation]}


def screening(rule: Optional[qa.Rule], level: str) -> Optional[Screening]:
    """Return how values are screened by a rule at a level, or None where nothing is."""
    if rule is None:
        return None
    return Screening(lambda driver, layers: rule.keep(driver, layers, level), rule.without.get(level, ()),
                     rule.fallback if level == "standard" else None, rule.least_share)


def _words(rule: Optional[qa.Rule], level: str) -> str:
    if rule is not None:
        return f"{level} ({rule.words[level]})"
    return "none (all but fill values)" if level == "none" else "not screened (the product has no quality bits)"


def _shares(tally: Tally, drivers: list[str], screened: bool) -> list[str]:
    """Return how much of each driver was rejected, drivers with the same shares together."""
    told: dict[str, list[str]] = defaultdict(list)
    for driver in drivers:
        there, rejected, outside, second = tally.of(driver)
        text = f"{there} values" if there else "nothing but fill values"
        if there and screened:
            text += f", {_percent(rejected, there)} rejected by quality"
        if outside:
            text += f", {outside} out of range"
        if second:
            text += f", {_percent(second, there)} second-best kept"
        told[text].append(driver)
    return [f"{', '.join(group)}: {text}" for text, group in told.items()]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _doubt(product: Product) -> list[str]:
    if product.proven:
        return []
    return [f"{product.name} follows its published description and was not tried on real files: check some values"]
