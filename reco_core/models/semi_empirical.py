"""Equations of respiration with few parameters as models: the floor that other methods must beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Mapping, Optional, Sequence

import numpy as np

from ..errors import ArtifactError, ConfigError, SampleError
from ..progress import SILENT, Progress
from . import equation_table as known
from .arrays import pack_arrays, unpack_arrays
from .base import Model, ParameterRow
from .equation_fit import fit_equation, standard_errors
from .equation_table import Equation, either
from .inner import inner_folds
from .shapley import background_rows, exact_plan
from .table import Table

ALL = "all"
FEWEST_ROWS = 3
ROWS_AT_ONCE = 4096
INNER_FOLDS = 3
BLOB = "background.npz"


@dataclass(frozen=True)
class EquationFit:
    """An equation fitted for one class, or for all.

    `columns` (k,) are the drivers' columns of X; `values` and `errors` the parameters and their standard
    errors, in their units; `base` [unit of the target] is the mean estimate of the background: of all
    training rows where there is one driver, else of `background` (m, k) [units of the drivers].
    """

    equation: str
    columns: tuple[int, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    base: float
    background: np.ndarray


class EquationModel(Model):
    """Respiration by an equation, fitted for all classes or for each.

    Works in the unit of the target, per time step of the samples (such as g C m-2 month-1), so
    that parameters that are fluxes are per time step, too. Features that are not drivers of
    the equation contribute nothing; a missing driver gives a missing estimate, and training rows that lack
    one are not used. A class with hardly any training rows is served by the fit for all.

    Fitted: `fits_` (label -> EquationFit), `width_` (number of features).
    """

    equation: ClassVar[Optional[Equation]] = None

    def equations(self) -> dict[str, Equation]:
        """Return the equations that may be fitted, by name."""
        assert self.equation is not None
        return {self.equation.name: self.equation}

    def lacking(self, features: Sequence[str]) -> tuple[str, ...]:
        missing = [equation.lacking(features) for equation in self.equations().values()]
        return tuple(either(driver.names) for driver in min(missing, key=len))

    def check(self, features: Sequence[str]) -> None:
        self._usable(features)
        if self.settings:
            raise ConfigError(f"The model {self.name} has no settings; given is '{self.settings}'",
                              "Leave settings empty")

    def _usable(self, features: Sequence[str]) -> dict[str, list[int]]:
        """Return the equations whose drivers are there, with their columns."""
        return {name: equation.columns(features, self.name) for name, equation in self.equations().items()}

    def fit(self, X: np.ndarray, y: np.ndarray, *, group: np.ndarray, stratum: Optional[np.ndarray] = None,
            weight: Optional[np.ndarray] = None, seeds: Sequence[int] = (0,), features: Sequence[str] = (),
            shared: Optional[Mapping[str, Any]] = None, progress: Progress = SILENT) -> EquationModel:
        table = Table.plain(X, y, group=group, stratum=stratum, weight=weight, features=features)
        usable = self._usable(table.features)
        self.width_ = table.X.shape[1]
        self.fits_: dict[str, EquationFit] = {}
        labels = [str(label) for label in np.unique(table.stratum) if label] if self.per_class else []
        for label in [*labels, ALL]:
            progress.check()
            rows = table if label == ALL else table.take(table.stratum == label)
            name = self._choose(rows, usable, seeds[0])
            found = self._fit_equation(name, rows, usable[name], seeds[0])
            if found is not None:
                self.fits_[label] = found
            elif label == ALL:
                self._refuse(rows, usable[name])
        return self

    def _choose(self, table: Table, usable: Mapping[str, list[int]], seed: int) -> str:
        """Return the name of the equation to fit."""
        return next(iter(usable))

    def _fit_equation(self, name: str, table: Table, columns: Sequence[int], seed: int) -> Optional[EquationFit]:
        """Return the fit of an equation, or None where hardly any row has all drivers."""
        equation = self.equations()[name]
        rows = _complete(table, columns)
        if len(rows) < max(FEWEST_ROWS, len(equation.parameters)):
            return None
        drivers = equation.scaled(rows.X[:, columns].T)
        values = self._values(equation, drivers, rows, seed)
        errors = self._errors(equation, drivers, rows, values)
        return _finish(equation, EquationFit(name, tuple(columns), tuple(values), tuple(errors), 0.0,
                                             np.empty((0, 0))), rows.X[:, columns], seed)

    def _values(self, equation: Equation, drivers: Sequence[np.ndarray], rows: Table, seed: int) -> list[float]:
        """Return the parameters of an equation."""
        return fit_equation(equation, drivers, rows.y, weight=rows.weight, seed=seed)

    def _errors(self, equation: Equation, drivers: Sequence[np.ndarray], rows: Table,
                values: Sequence[float]) -> list[float]:
        """Return the standard errors of the parameters."""
        return standard_errors(equation, drivers, rows.y, values=values, group=rows.group, weight=rows.weight)

    def _refuse(self, table: Table, columns: Sequence[int]) -> None:
        names = [table.features[k] for k in columns]
        count = len(_complete(table, columns))
        what = "Temperature is" if len(names) == 1 and names[0] in known.KELVINS.names else \
            f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
        raise SampleError(f"{what} known in {count} samples; at least {FEWEST_ROWS} are needed, and one for each "
                          "parameter", "Add samples, or choose another driver")

    @property
    def pooled_classes_(self) -> tuple[str, ...]:
        """Classes that the fit for all serves."""
        return tuple(label for label in self.classes if label not in self.fits_) if self.per_class else ()

    def member_predictions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                           members: str = "all") -> np.ndarray:
        result = np.empty((1, len(X)))
        for fit, at in self._parts(X, stratum):
            equation = self.equations()[fit.equation]
            result[0, at] = equation.function(equation.scaled(X[at][:, fit.columns].T), fit.values)
        return result

    def contributions(self, X: np.ndarray, *, stratum: Optional[np.ndarray] = None,
                      members: str = "all") -> np.ndarray:
        """Shapley values over the drivers of the equation, with up to 64 training rows as background.

        One driver alone takes all that differs from the mean estimate of the training rows.
        """
        result = np.zeros((len(X), self.width_ + 1))
        for fit, at in self._parts(X, stratum):
            rows = np.asarray(X[at][:, fit.columns], dtype="float64")
            phi = np.zeros((len(rows), self.width_ + 1))
            phi[:, -1] = fit.base
            for first in range(0, len(rows), ROWS_AT_ONCE):
                phi[first:first + ROWS_AT_ONCE, fit.columns] = self._split(fit, rows[first:first + ROWS_AT_ONCE])
            result[at] = phi
        return result

    def _split(self, fit: EquationFit, rows: np.ndarray) -> np.ndarray:
        """Return the Shapley values of the drivers, shape (n, k) [unit of the target]."""
        equation = self.equations()[fit.equation]
        own = equation.scaled(rows.T)
        if len(own) == 1:
            return (equation.function(own, fit.values) - fit.base)[:, None]
        others = equation.scaled(fit.background.T)

        def worth(mask: np.ndarray) -> np.ndarray:
            mixed = [own[k][:, None] if inside else others[k][None] for k, inside in enumerate(mask)]
            return np.asarray(equation.function(mixed, fit.values)).mean(axis=1)

        return exact_plan(len(own)).values(worth, len(rows))

    def _parts(self, X: np.ndarray, stratum: Optional[np.ndarray]) -> list[tuple[EquationFit, Any]]:
        """Return each fit with the rows it serves."""
        if not self.per_class:
            return [(self.fits_[ALL], slice(None))]
        if stratum is None:
            raise ArtifactError("The model has one fit per class and no classes are given",
                                "Give the class of each row")
        labels = np.asarray(stratum).astype(str)
        return [(self.fits_.get(str(label), self.fits_[ALL]), np.flatnonzero(labels == label))
                for label in np.unique(labels)]

    def parameters(self) -> list[ParameterRow]:
        rows = []
        for label, fit in self.fits_.items():
            equation = self.equations()[fit.equation]
            if len(self.equations()) > 1:
                rows.append(ParameterRow(label, "equation", "", fit.equation))
            rows += [ParameterRow(label, parameter.name, parameter.unit, value, error)
                     for parameter, value, error in zip(equation.parameters, fit.values, fit.errors)]
            rows += [ParameterRow(label, name, unit, value)
                     for name, (value, unit) in equation.derived(fit.values).items()]
        return rows

    def to_parts(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        fits = self.fits_.items()
        first = self.fits_[ALL].columns
        meta = {"per_class": self.per_class, "width": self.width_, "classes": list(self.classes),
                "settings": self.settings, "base": {label: fit.base for label, fit in fits},
                "parameters": {label: list(fit.values) for label, fit in fits},
                "errors": {label: list(fit.errors) for label, fit in fits},
                "equations": {label: fit.equation for label, fit in fits},
                "columns": {label: list(fit.columns) for label, fit in fits}, "column": first[0]}
        kept = {label: fit.background for label, fit in fits if fit.background.size}
        return meta, {BLOB: pack_arrays(kept)} if kept else {}

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], blobs: Mapping[str, bytes]) -> EquationModel:
        model = cls(per_class=meta["per_class"], classes=meta["classes"], settings=meta.get("settings"))
        kept = unpack_arrays(blobs[BLOB]) if BLOB in blobs else {}
        names, columns, errors = (meta.get(key, {}) for key in ("equations", "columns", "errors"))
        model.width_, model.fits_ = meta["width"], {}
        for label, values in meta["parameters"].items():
            # older models have one column for all, and neither errors nor the name of the equation
            doubts = (np.nan if error is None else float(error) for error in errors.get(label, [None] * len(values)))
            model.fits_[label] = EquationFit(
                names.get(label, cls.name), tuple(columns.get(label, [meta["column"]])), tuple(map(float, values)),
                tuple(doubts), float(meta["base"][label]), kept.get(label, np.empty((0, 0))))
        return model


def _complete(table: Table, columns: Sequence[int]) -> Table:
    """Return the rows in which all these drivers are known."""
    return table.take(np.isfinite(table.X[:, columns]).all(axis=1))


def _finish(equation: Equation, fit: EquationFit, drivers: np.ndarray, seed: int) -> EquationFit:
    """Return the fit with its background and base value; `drivers` (n, k) are those of the training rows."""
    kept = drivers if drivers.shape[1] == 1 else drivers[background_rows(len(drivers), seed)]
    base = float(equation.function(equation.scaled(kept.T), fit.values).mean())
    return replace(fit, base=base, background=kept if drivers.shape[1] > 1 else np.empty((0, 0)))


class Q10(EquationModel):
    """Respiration that grows by the same factor with every ten degrees."""

    name = "q10"
    equation = known.Q10
    citations = ("van 't Hoff, J. H. (1898). Lectures on Theoretical and Physical Chemistry.",)


class LloydTaylor(EquationModel):
    """Respiration that depends on temperature alone.

    Takes soil temperature (`ts`) if it is among the features, else that of the air (`ta`), else that of
    the surface by day (`lst_day`).
    """

    name = "lloyd_taylor"
    equation = known.LLOYD_TAYLOR
    citations = ("Lloyd, J., Taylor, J. A. (1994). Functional Ecology 8, 315-323. doi:10.2307/2389824",)


class Arrhenius(EquationModel):
    """Respiration that depends on temperature by an energy of activation."""

    name = "arrhenius"
    equation = known.ARRHENIUS
    citations = ("Arrhenius, S. (1889). Z. Phys. Chem. 4U, 226-248. doi:10.1515/zpch-1889-0416",)


class Mmrt(EquationModel):
    """Respiration with an optimum of temperature (macromolecular rate theory); the card tells where it lies."""

    name = "mmrt"
    equation = known.MMRT
    citations = ("Hobbs, J. K. et al. (2013). ACS Chemical Biology 8, 2388-2393. doi:10.1021/cb4005029",
                 "Liang, L. L. et al. (2018). Glob. Change Biol. 24, 1538-1547. doi:10.1111/gcb.13936")


class Tpgpp(EquationModel):
    """Respiration by temperature, precipitation [mm d-1, taken for thirty days] and productivity [g C m-2 d-1]."""

    name = "tpgpp"
    equation = known.TPGPP
    citations = ("Migliavacca, M. et al. (2011). Glob. Change Biol. 17, 390-409. "
                 "doi:10.1111/j.1365-2486.2010.02243.x",)


class TpgppLai(Tpgpp):
    """As TPGPP, with a reference that grows with the largest leaf area of the year.

    Takes `lai_max` if it is among the features, else the leaf area of the time step.
    """

    name = "tpgpp_lai"
    equation = known.TPGPP_LAI


class JagermeyrLike(EquationModel):
    """A reference by yearly vegetation and temperature, times a seasonal course of both, after the idea of Jaegermeyr.

    The published coefficients are not at hand, so all are fitted; fit one model per class where
    dry and wet places differ.
    """

    name = "jagermeyr_like"
    equation = known.JAGERMEYR_LIKE
    citations = ("Idea: Jaegermeyr, J. et al. (2014). Glob. Change Biol. 20, 2839-2854. doi:10.1111/gcb.12443",)


class RersmLike(EquationModel):
    """Productivity by vegetation and water indices, plus soil respiration by temperature, after the idea of ReRSM.

    The largest productivity, and the scaling of the water index, are part of one fitted factor.
    """

    name = "rersm_like"
    equation = known.RERSM_LIKE
    citations = ("Idea: Gao, Y. et al. (2015). Ecological Modelling 304, 34-43.",)


class GeLike(EquationModel):
    """A reference by a vegetation index, times temperature and water responses, after the idea of Ge."""

    name = "ge_like"
    equation = known.GE_LIKE
    citations = ("Idea: Ge, R. et al. (2018). Remote Sensing 10, 149. doi:10.3390/rs10010149",)


class LgsLike(EquationModel):
    """For each class the best of four forms in one of three drivers, after the idea of LGS-Reco.

    Linear, exponential, quadratic and logistic forms in surface temperature, productivity and soil
    water, as far as those are there, are compared by their RMSE on held-out training sites; on held-out
    rows where a class has one site only.
    """

    name = "lgs_like"
    citations = ("Idea: Tagesson, T. et al. (2024). Glob. Ecol. Biogeogr. 33, 116-130.",)

    def equations(self) -> dict[str, Equation]:
        return known.LGS_LIKE

    def _usable(self, features: Sequence[str]) -> dict[str, list[int]]:
        found = {name: [list(features).index(next(key for key in equation.drivers[0].names if key in features))]
                 for name, equation in known.LGS_LIKE.items() if set(equation.drivers[0].names) & set(features)}
        if not found:
            raise ConfigError(f"lgs_like needs at least one of temperature (lst_day, ta or ts), gross primary "
                              f"production (gpp) and soil water (swc); the features are {', '.join(features)}",
                              "Build samples with one of them, or choose another model")
        return found

    def _choose(self, table: Table, usable: Mapping[str, list[int]], seed: int) -> str:
        columns = sorted({columns[0] for columns in usable.values()})
        rows = _complete(table, columns)
        one = np.unique(rows.group).size < 2
        folds = np.arange(len(rows)) % INNER_FOLDS if one else inner_folds(rows.group, INNER_FOLDS, seed)
        if np.unique(folds).size < 2:
            return next(iter(usable))
        errors = {name: self._held_out(known.LGS_LIKE[name], rows, at[0], folds, seed)
                  for name, at in usable.items()}
        return min(errors, key=lambda name: errors[name])

    @staticmethod
    def _held_out(equation: Equation, rows: Table, column: int, folds: np.ndarray, seed: int) -> float:
        """Return the mean squared error of an equation on held-out sites [unit of the target, squared]."""
        total = 0.0
        for number in np.unique(folds):
            out, training = folds == number, rows.take(folds != number)
            values = fit_equation(equation, equation.scaled([training.X[:, column]]), training.y,
                                  weight=training.weight, seed=seed, exact=False)
            estimate = equation.function(equation.scaled([rows.X[out, column]]), values)
            total += float(np.square(estimate - rows.y[out]).sum())
        return total / len(rows)
