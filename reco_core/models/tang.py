"""The published equations of grassland respiration by Tang and others, with nothing to fit."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..errors import ConfigError
from ..progress import SILENT, Progress
from .base import ParameterRow
from .equation_table import TANG_SEASONS, TANG_TYPES, Equation, tang_2020
from .semi_empirical import EquationModel
from .table import Table

STEP_DAYS = {"day": 1.0, "8day": 8.0, "16day": 16.0, "week": 7.0, "month": 30.4375, "year": 365.25}


class Tang2020(EquationModel):
    """Respiration of grassland, linear in indices of vegetation and water, leaf area and surface temperature.

    Settings are `type`, one of the four grasslands of the authors, and `season` (growing, dormant, or
    year, which is meant unless another is given). The published coefficients give g C m-2 d-1 of
    degrees Celsius; estimates are multiplied by the mean length of the time step of the samples [d],
    that of a month being 30.4375. Training rows serve as background of contributions only.
    """

    name = "tang2020"
    citations = ("Tang, X. et al. (2020). Carbon Balance and Management 15, 6. doi:10.1186/s13021-020-00141-8",)
    days_ = 1.0

    def all_settings(self) -> dict[str, Any]:
        return dict(_settings(self.settings))

    def _published(self) -> tuple[Equation, list[float]]:
        found = _settings(self.settings)
        return tang_2020(found["type"], found["season"])

    def equations(self) -> dict[str, Equation]:
        equation = self._published()[0]
        return {equation.name: equation}

    def lacking(self, features: Sequence[str]) -> tuple[str, ...]:
        if self.settings is None:
            return ("the type of grassland (settings)",)
        return super().lacking(features)

    def check(self, features: Sequence[str]) -> None:
        self._usable(features)

    def prepare(self, table: Table, *, seed: int = 0, progress: Progress = SILENT) -> Mapping[str, Any]:
        """Return the mean length of the time step [d]."""
        return {"days": STEP_DAYS.get(table.time_step, 1.0)}

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> Tang2020:
        self.days_ = float((shared or {}).get("days", 1.0))
        super().fit(X, y, group=group, stratum=stratum, weight=weight, seeds=seeds, features=features,
                    progress=progress)
        return self

    def _values(self, equation: Equation, drivers: Sequence[np.ndarray], rows: Table, seed: int) -> list[float]:
        return [value * self.days_ for value in self._published()[1]]

    def _errors(self, equation: Equation, drivers: Sequence[np.ndarray], rows: Table,
                values: Sequence[float]) -> list[float]:
        return [float("nan")] * len(values)

    def parameters(self) -> list[ParameterRow]:
        return [row for row in super().parameters() if row.label == "all"]

    def remarks(self) -> list[str]:
        found = _settings(self.settings)
        return [f"Nothing was fitted: the coefficients are those published for {found['type'].replace('_', ' ')} "
                f"({found['season']}), times {self.days_:g} days. They may give respiration below zero."]

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        meta, blobs = super().to_parts()
        return {**meta, "days": self.days_}, blobs

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Tang2020:
        model = super().from_parts(meta, blobs)
        assert isinstance(model, Tang2020)
        model.days_ = float(meta["days"])
        return model


def _settings(given: Any) -> dict[str, str]:
    """Return type and season of "type=...,season=..." or a mapping."""
    if isinstance(given, str) or given is None:
        pairs = [part.partition("=") for part in (given or "").split(",") if part.strip()]
        items = {name.strip(): value.strip() for name, _, value in pairs}
    else:
        items = {str(name): str(value) for name, value in given.items()}
    items = {"season": "year", **items}
    for name, choices in (("type", TANG_TYPES), ("season", TANG_SEASONS)):
        if items.get(name) not in choices:
            seen = f"'{items[name]}' is no {name}" if name in items else f"There is no {name} of grassland"
            raise ConfigError(f"{seen} (model tang2020)", f"Give settings=\"type={TANG_TYPES[0]},season=year\"; "
                              f"{name} is one of " + ", ".join(choices))
    unknown = sorted(set(items) - {"type", "season"})
    if unknown:
        raise ConfigError(f"The model tang2020 has no setting '{unknown[0]}'", "Settings: type, season")
    return items
