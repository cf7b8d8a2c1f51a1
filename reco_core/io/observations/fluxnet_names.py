"""What the names of ONEFlux downloads say: network, site, grouping, resolution, years, and what to cite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

from ...errors import ConfigError
from ..archives import Source

RESOLUTIONS = {"HH": "half-hour", "HR": "hour", "DD": "day", "WW": "week", "MM": "month", "YY": "year"}

_NAME = re.compile(
    r"(?P<network>[A-Z0-9-]+)_(?P<site>[A-Z]{2}-[A-Z0-9]{3})_FLUXNET(?:20\d\d)?"
    r"(?:_(?P<grouping>FULLSET|SUBSET|FLUXMET))?_(?P<resolution>HH|HR|DD|WW|MM|YY)(?:_(?P<rest>.*))?\.csv(?:\.gz)?",
    re.IGNORECASE)
_KIN = re.compile(r"[A-Z0-9-]+_[A-Z]{2}-[A-Z0-9]{3}_", re.IGNORECASE)
_YEARS = re.compile(r"(?P<first>\d{4})-(?P<last>\d{4})(?:_(?P<version>.*))?")
_NETWORKS = {"FLX": "FLUXNET2015", "AMF": "AmeriFlux", "ICOSETC": "ICOS", "ICOS": "ICOS", "EUF": "European Fluxes",
             "TERN": "OzFlux", "OZF": "OzFlux", "JPF": "JapanFlux", "KOF": "KoFlux", "CNF": "ChinaFlux"}
_ONEFLUX = "Pastorello et al. 2020, Scientific Data 7:225, doi:10.1038/s41597-020-0534-3"
_CITATIONS = {
    "FLUXNET2015": _ONEFLUX,
    "Warm Winter 2020": "Warm Winter 2020 Team & ICOS Ecosystem Thematic Centre 2022, doi:10.18160/2G60-ZHAK",
    "Drought 2018": "Drought 2018 Team & ICOS Ecosystem Thematic Centre 2020, doi:10.18160/YVR0-4898",
    "ICOS": "ICOS RI, ecosystem stations: cite the PID of each site's data set (ICOS Carbon Portal)",
    "AmeriFlux": "AmeriFlux FLUXNET product: cite the DOI of each site (AmeriFlux data policy)",
    "European Fluxes": "European Fluxes Database Cluster: cite the DOI or principal investigator of each site",
}


@dataclass(frozen=True)
class FluxnetFile:
    """A file whose name says site, grouping and resolution."""

    source: Source
    network: str
    site: str
    grouping: str
    resolution: str
    years: str = ""
    version: str = ""

    @property
    def is_short(self) -> bool:
        """Whether the record has one or two years, for which ONEFlux gives the threshold of each year (VUT) alone."""
        return self.years != "" and int(self.years[5:]) - int(self.years[:4]) < 2

    @property
    def citation(self) -> str:
        """What to cite for data of this file, parts joined by '; '."""
        own = citation_of(self.network) or f"{self.network}: cite the data set of each site"
        return "; ".join(dict.fromkeys((own, _ONEFLUX)))


def citation_of(network: str) -> str:
    """Return what to cite for a network, '' if that is not known; spaces and what follows its name do not matter.

    Examples
    --------
    >>> citation_of("WarmWinter2020_FULLSET_MM")[:16]
    'Warm Winter 2020'
    """
    text = re.sub(r"[^a-z0-9]", "", network.lower())
    return next((words for name, words in _CITATIONS.items()
                 if text.startswith(re.sub(r"[^a-z0-9]", "", name.lower()))), "")


def recognise(source: Source) -> FluxnetFile | None:
    """Return what the name of a file says, or None if it is not one with fluxes.

    Examples
    --------
    >>> from pathlib import Path
    >>> recognise(Source(Path("AMF_CA-CF1_FLUXNET_FULLSET_MM_2007-2008_3-5.csv"))).resolution
    'MM'
    """
    match = _NAME.fullmatch(source.name)
    if match is None:
        return None
    rest = match["rest"] or ""
    span = _YEARS.fullmatch(rest)
    years, version = (f"{span['first']}-{span['last']}", span["version"] or "") if span else ("", rest)
    site = match["site"][:2].upper() + match["site"][2:]
    return FluxnetFile(source, _network(match["network"].upper(), years, version), site,
                       (match["grouping"] or "FULLSET").upper(), match["resolution"].upper(), years, version)


def _network(prefix: str, years: str, version: str) -> str:
    """Return the network; the European collections after 2015 use its names with the version 'beta'."""
    if prefix == "FLX" and version.startswith("beta"):
        return "Drought 2018" if years and int(years[-4:]) <= 2018 else "Warm Winter 2020"
    return _NETWORKS.get(prefix, prefix)


def is_kin(source: Source) -> bool:
    """Return whether a file belongs to a FLUXNET download but holds no fluxes (ERA, AUX, BIF, ...)."""
    return recognise(source) is None and _KIN.match(source.name) is not None


def choose_resolution(files: Sequence[FluxnetFile], resolution: str) -> list[FluxnetFile]:
    """Return the files of one resolution; 'auto' takes the only one that each site has. HR counts as HH.

    Raises
    ------
    ConfigError
        A site has several, or no file has the one that was asked for.
    """
    there = sorted({_family(file) for file in files}, key=list(RESOLUTIONS).index)
    shown = ", ".join(f"{name} ({sum(_family(file) == name for file in files)} files)" for name in there)
    if resolution == "auto":
        of_site: dict[tuple[str, str], str] = {}
        for file in files:
            if of_site.setdefault((file.network, file.site), _family(file)) != _family(file):
                raise ConfigError(f"The files come in {len(there)} resolutions: {shown}; {file.site} of {file.network} "
                                  "has several", f"Choose one, for example resolution={there[-1]}")
        return list(files)
    if resolution not in there:
        raise ConfigError(f"There is no file of resolution {resolution}", f"There are: {shown}")
    return [file for file in files if _family(file) == resolution]


def _family(file: FluxnetFile) -> str:
    return "HH" if file.resolution == "HR" else file.resolution


def drop_subsets(files: Sequence[FluxnetFile]) -> tuple[list[FluxnetFile], list[FluxnetFile]]:
    """Return the files to read, and the SUBSET files left out because the network's FULLSET of the site is there."""
    full = {(file.network, file.site, file.resolution) for file in files if file.grouping != "SUBSET"}
    twins = [file for file in files
             if file.grouping == "SUBSET" and (file.network, file.site, file.resolution) in full]
    return [file for file in files if file not in twins], twins
