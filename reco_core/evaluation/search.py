"""Search for the settings of a model on site-grouped inner folds: reproducible, pruned, and resumable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from ..deps import need
from ..errors import Cancelled, ConfigError, RecoError, ResourceError, SampleError
from ..models.crew import Crew
from ..models.ensemble import Recipe, run_folds
from ..models.inner import inner_folds
from ..models.registry import make_model
from ..models.table import Table
from ..progress import SILENT, Progress
from .crossval import Predictions, deal

INNER_FOLDS = 5
FIRST_ROUND = 2  # folds after which poor trials are given up
AT_RANDOM = 10
JUDGED_AFTER = 5
SQLITE = (".db", ".sqlite", ".sqlite3")
NAME = "reco"


@dataclass(frozen=True)
class Searched:
    """What a search found.

    `settings` are all settings of the model, `chosen` those that were searched; `rmse` and `r2_nse` are its score
    on the inner folds, `given_rmse` that of the settings it started from; trials that were done, of which pruned
    and failed.
    """

    settings: dict[str, Any]
    chosen: dict[str, Any]
    rmse: float
    r2_nse: float
    given_rmse: float
    trials: int
    pruned: int
    failed: int
    folds: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def search_settings(table: Table, recipe: Recipe, *, trials: int = 30, study: Optional[str] = None,
                    processes: int = 0, progress: Progress = SILENT) -> Searched:
    """Choose the settings of a model that estimate sites best which it has not seen.

    Trials are drawn by a tree-structured Parzen estimator; each is fitted with one seed on inner folds of whole
    tower groups, the same for all. After two of five folds a trial that is worse than the median of the earlier
    ones is given up. The first trial has the settings of the recipe. The draws depend on the seed of the recipe and on
    the number of the trial alone, so that a search which was stopped and taken up again finds the same.

    Parameters
    ----------
    table : Table
    recipe : Recipe
        Settings that it names are kept as they are.
    trials : int
        All that are wanted, with those of `study`.
    study : path, optional
        File that keeps the trials: SQLite where it ends with .db or .sqlite, a journal otherwise.
    processes : int

    Raises
    ------
    ConfigError
        The model has nothing to search, or the study belongs to another search.
    SampleError
        No trial could be fitted.
    MissingDependency
        optuna is not installed.

    References
    ----------
    Akiba, T. et al. (2019). Proc. KDD, 2623-2631. doi:10.1145/3292500.3330701
    """
    optuna = need("optuna", extra="search")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = space_of(recipe)
    fold = inner_folds(table.group, INNER_FOLDS, recipe.seed)
    if np.unique(fold).size < 2:
        raise SampleError("The samples come from one site only: settings cannot be judged on others", "Add towers")
    kept = _open(optuna, study, _identity(table, recipe, space))
    with Crew(table, processes) as crew:
        while (done := len(_done(kept))) < trials:
            progress(done / trials, f"Trial {done + 1} of {trials}")
            _one(optuna, kept, space, _Judge(table, recipe, fold, crew, progress), done)
    return _found(optuna, kept, table, recipe, fold)


def space_of(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """Return the settings of a model to search in, without those that the recipe names.

    Raises
    ------
    ConfigError
        There are none.
    """
    model = make_model(recipe.name, settings=recipe.settings)
    space = dict(model.search_space())
    if not space:
        raise ConfigError(f"The model {recipe.name} has no settings to search", "Leave search out")
    named = recipe.settings or {}
    if isinstance(named, str):
        named = {part.partition("=")[0].strip(): part for part in named.split(",")}
    fixed = {name.lower() for name in named}
    left = {name: limits for name, limits in space.items() if name.lower() not in fixed}
    if not left:
        raise ConfigError(f"All settings of {recipe.name} that could be searched are given: {', '.join(space)}",
                          "Leave one of them out of settings, or leave search out")
    return left


def _identity(table: Table, recipe: Recipe, space: Mapping[str, Any]) -> str:
    """Return what a study must agree in to be taken up again."""
    digest = hashlib.sha256(json.dumps({**asdict(recipe), "space": space}, sort_keys=True, default=str).encode())
    for part in (table.X, table.y, table.group):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _open(optuna: Any, path: Optional[str], identity: str) -> Any:
    """Return the study of a file, or one in memory; trials that were broken off count for nothing."""
    storage: Any = None
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if Path(path).suffix in SQLITE:
            storage = f"sqlite:///{Path(path).resolve()}"
        else:
            storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    try:
        study = optuna.create_study(storage=storage, study_name=NAME, direction="minimize", load_if_exists=True,
                                    pruner=optuna.pruners.MedianPruner(JUDGED_AFTER, 0))
        known = study.user_attrs.get("identity", identity)
    except Exception as error:  # whatever optuna and its data base raise over a file that is none of theirs
        raise ConfigError(f"The study '{path}' cannot be opened: {str(error).splitlines()[0]}",
                          "Give the file of an earlier search, or one that is not there yet") from error
    if known != identity:
        raise ConfigError(f"The study '{path}' belongs to another search: samples, model, settings or seed differ",
                          "Give another file, or remove this one")
    study.set_user_attr("identity", identity)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _done(study: Any) -> list[Any]:
    """Return the trials that came to an end, those included that could not be fitted."""
    return [trial for trial in study.get_trials(deepcopy=False)
            if trial.state.name in ("COMPLETE", "PRUNED") or "error" in trial.user_attrs]


@dataclass(frozen=True)
class _Judge:
    """Tries settings on the inner folds."""

    table: Table
    recipe: Recipe
    fold: np.ndarray
    crew: Crew
    progress: Progress

    @property
    def rounds(self) -> list[Sequence[int]]:
        numbers = np.unique(self.fold).tolist()
        parts = [numbers[:FIRST_ROUND], numbers[FIRST_ROUND:]]
        return [part for part in parts if part]

    def held_out(self, settings: Mapping[str, Any], numbers: Sequence[int]) -> np.ndarray:
        """Return the estimates of some of the folds."""
        own = np.where(np.isin(self.fold, numbers), self.fold, -1)
        if len(self.rounds) == 1:
            own = self.fold
        recipe = replace(self.recipe, settings=settings, seeds=self.recipe.seeds[:1])
        self.progress.check()
        return run_folds(self.table, own, recipe, keep=False, crew=self.crew)[1]


def _one(optuna: Any, study: Any, space: Mapping[str, tuple[Any, ...]], judge: _Judge, number: int) -> None:
    """Carry out one trial."""
    states = optuna.trial.TrialState
    given = make_model(judge.recipe.name, settings=judge.recipe.settings).all_settings()
    if number == 0 and not study.get_trials(deepcopy=False, states=(states.WAITING,)):
        study.enqueue_trial({name: given[name] for name in space})
    # another sampler for each trial: what it draws then does not depend on when the search was stopped
    study.sampler = optuna.samplers.TPESampler(seed=judge.recipe.seed * 100_003 + number, n_startup_trials=AT_RANDOM)
    trial = study.ask()
    settings = {**given, **{name: _draw(trial, name, limits) for name, limits in space.items()}}
    error = count = 0.0
    try:
        for step, numbers in enumerate(judge.rounds):
            held = judge.held_out(settings, numbers)
            known = np.isfinite(held)
            error += float(np.square(held - judge.table.y)[known].sum())
            count += float(known.sum())
            if not count:
                raise SampleError("The model estimates none of the samples",
                                  "Give samples that carry all drivers it needs")
            trial.report(float(np.sqrt(error / count)), step)
            if step + 1 < len(judge.rounds) and trial.should_prune():
                study.tell(trial, state=states.PRUNED)
                return
    except (Cancelled, ResourceError):
        raise
    except RecoError as broken:
        trial.set_user_attr("error", broken.message)
        study.tell(trial, state=states.FAIL)
        return
    study.tell(trial, float(np.sqrt(error / count)))


def _draw(trial: Any, name: str, limits: tuple[Any, ...]) -> Any:
    kind, *ends = limits
    if kind == "choice":
        return trial.suggest_categorical(name, list(ends[0]))
    if kind == "int":
        return trial.suggest_int(name, *ends)
    return trial.suggest_float(name, *ends, log=kind == "log")


def _found(optuna: Any, study: Any, table: Table, recipe: Recipe, fold: np.ndarray) -> Searched:
    done = _done(study)
    whole = [trial for trial in done if trial.state.name == "COMPLETE"]
    if not whole:
        reason = next((trial.user_attrs["error"] for trial in done if "error" in trial.user_attrs), "")
        raise SampleError(f"None of the {len(done)} trials of the search could be fitted: {reason}",
                          "Fit the model without search first")
    best = min(whole, key=lambda trial: (trial.value, trial.number))
    given = make_model(recipe.name, settings=recipe.settings).all_settings()
    spread = float(np.sqrt(np.mean(np.square(table.y - table.y.mean()))))
    first = done[0].value if done[0].state.name == "COMPLETE" else None
    return Searched({**given, **best.params}, dict(best.params), float(best.value),
                    1 - (float(best.value) / spread) ** 2, float("nan") if first is None else float(first), len(done),
                    sum(trial.state.name == "PRUNED" for trial in done),
                    sum(trial.state.name == "FAIL" for trial in done), int(np.unique(fold).size))


def nested_search(table: Table, recipe: Recipe, fold: np.ndarray, *, trials: int = 30, study: Optional[str] = None,
                  processes: int = 0, progress: Progress = SILENT) -> tuple[np.ndarray, list[Searched]]:
    """Estimate held-out rows by models whose settings were chosen without them, in each fold anew.

    Parameters
    ----------
    fold : array of int, shape (n,)
        The fold that holds out each row; -1 for rows that are only trained on.
    study : path, optional
        A file per fold is made from its name.

    Returns
    -------
    held_out : array of shape (n,) [unit of the target]
    found : list of Searched, one per fold
    """
    held_out, found = np.full(len(table), np.nan), []
    numbers = np.unique(fold[fold >= 0])
    for at, number in enumerate(numbers):
        part = progress.span(at / len(numbers), (at + 1) / len(numbers))
        own = _of_fold(study, int(number))
        best = search_settings(table.take(fold != number), recipe, trials=trials, study=own, processes=processes,
                               progress=part.span(0.0, 0.9))
        mine = np.where(fold == number, number, -1)
        held_out[fold == number] = run_folds(table, mine, replace(recipe, settings=best.settings), keep=False,
                                             processes=processes, progress=part.span(0.9, 1.0))[1][fold == number]
        found.append(best)
    return held_out, found


def cross_validate_searched(table: Table, recipe: Recipe, *, scheme: str = "grouped", folds: int = 10,
                            assignments: int = 1, trials: int = 30, study: Optional[str] = None, processes: int = 0,
                            progress: Progress = SILENT) -> tuple[Predictions, list[Searched]]:
    """Estimate every sample by models whose settings were chosen without its fold; see `cross_validate`."""
    dealt = deal(table, scheme, folds=folds, assignments=assignments, seed=recipe.seed)
    estimates, found = [], []
    for number, fold in enumerate(dealt):
        own = replace(recipe, seed=recipe.seed + number)
        path = str(Path(study).with_name(f"{Path(study).stem}-{number}{Path(study).suffix}")) if study else None
        held_out, chosen = nested_search(table, own, fold, trials=trials, study=path, processes=processes,
                                         progress=progress.span(number / len(dealt), (number + 1) / len(dealt)))
        estimates.append(held_out)
        found += chosen
    return Predictions(table.y, np.stack(estimates), np.stack(dealt), scheme, table.site, table.stratum,
                       table.group), found


def _of_fold(study: Optional[str], number: int) -> Optional[str]:
    return str(Path(study).with_name(f"{Path(study).stem}-fold{number}{Path(study).suffix}")) if study else None
