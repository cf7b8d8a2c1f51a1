"""Trains a network of torch: batches, early stopping on held-back rows, new starts for networks that die or explode."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np

from ..deps import need
from ..errors import SampleError
from ..progress import SILENT, Progress

NEXT_TRY = 1_000_000
ROWS_AT_ONCE = 8192
DEAD = 1e-6
Build = Callable[[], Any]


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Parameters
    ----------
    batch, epochs : int
        Rows of a batch; most passes over the training rows.
    steps : int
        Most steps of the optimiser, whatever the epochs; 0 sets no limit.
    patience : int
        Passes without a better validation error after which training ends.
    learning_rate : float
    decay : float
        Weight of the penalty on squared weights.
    clip : float
        Largest norm of the gradient.
    tries : int
        How often a network that dies or explodes is started anew, the first time included.
    """

    batch: int = 64
    epochs: int = 300
    steps: int = 0
    patience: int = 20
    learning_rate: float = 1e-3
    decay: float = 0.0
    clip: float = 2.5
    tries: int = 3


@dataclass(frozen=True)
class Trained:
    """A trained network as arrays.

    `state` holds its weights by name; `loss` is the mean squared validation error at the best of `epochs` passes,
    `epoch`; `tries` counts the starts that were needed.
    """

    state: dict[str, np.ndarray]
    loss: float
    epoch: int
    epochs: int
    tries: int


def train(build: Build, inputs: Sequence[np.ndarray], y: np.ndarray,
          validation: tuple[Sequence[np.ndarray], np.ndarray], *, schedule: Schedule = Schedule(), seed: int = 0,
          weight: np.ndarray | None = None, validation_weight: np.ndarray | None = None, device: str = "cpu",
          progress: Progress = SILENT) -> Trained:
    """Train a network on the mean squared error and keep the weights with the least validation error.

    Runs on one thread, so that the same seed gives the same weights however many processes work.

    Parameters
    ----------
    build : function without arguments
        Returns a new `torch.nn.Module`; its weights come from torch's random numbers. The module takes `inputs` and
        returns estimates of shape (n,).
    inputs : sequence of array, each of shape (n, ...)
        Standardised.
    y : array of shape (n,)
        Standardised.
    validation : (inputs, y)
        Rows that are held back; training ends when they are not estimated better any more.
    schedule : Schedule
    seed : int
    weight, validation_weight : array of shape (n,), optional
    device : str
    progress : Progress

    Raises
    ------
    SampleError
        Every start died or exploded.
    Cancelled
        The user stopped.

    References
    ----------
    Kingma, D. P., Ba, J. (2015). Adam: a method for stochastic optimization. ICLR. arXiv:1412.6980
    """
    torch = need("torch", extra="deep")
    reasons = []
    for number in range(schedule.tries):
        with one_thread(), torch.random.fork_rng(devices=[] if device == "cpu" else None):
            torch.manual_seed(seed + NEXT_TRY * number)
            run = _Run(build().to(device), schedule, device, progress)
            reason = run.fit(_tensors(inputs, device), _tensor(y, device), weight,
                             (_tensors(validation[0], device), np.asarray(validation[1], dtype="float64")),
                             validation_weight)
        if not reason:
            return Trained(run.best, run.loss, run.epoch, run.epochs, number + 1)
        reasons.append(reason)
    raise SampleError(f"The network could not be trained: it {', then it '.join(reasons)}",
                      "Give a smaller learning_rate, or look for wild values of drivers and respiration")


class _Run:
    """One start of the training."""

    def __init__(self, module: Any, schedule: Schedule, device: str, progress: Progress) -> None:
        self.module, self.schedule, self.device, self.progress = module, schedule, device, progress
        torch = need("torch", extra="deep")
        self.optimiser = torch.optim.Adam(module.parameters(), lr=schedule.learning_rate,
                                          weight_decay=2 * schedule.decay)
        self.loss, self.epoch, self.epochs, self.taken = np.inf, 0, 0, 0
        self.best = state_of(module)

    def fit(self, inputs: list[Any], y: Any, weight: np.ndarray | None,
            validation: tuple[list[Any], np.ndarray], validation_weight: np.ndarray | None) -> str:
        """Train to the end and return why that failed, or nothing."""
        torch = need("torch", extra="deep")
        weights = None if weight is None else _tensor(weight / weight.mean(), self.device)
        parts, truth = validation
        constant = DEAD * max(float(np.std(truth)), 1e-12)
        while self.epochs < self.schedule.epochs and not self._is_spent():
            self.progress.check()
            self.epochs += 1
            order = torch.randperm(len(y)).to(self.device)
            if not all(self._step(inputs, y, weights, rows) for rows in order.split(self.schedule.batch)):
                return "exploded"
            estimate = run_module(self.module, parts)
            loss = float(np.average(np.square(estimate - truth), weights=validation_weight))
            if not np.isfinite(loss):
                return "exploded"
            if loss < self.loss and np.ptp(estimate) > constant:
                self.loss, self.epoch, self.best = loss, self.epochs, state_of(self.module)
            if self.epochs - self.epoch >= self.schedule.patience:
                break
        return "" if np.isfinite(self.loss) else "died: it gave the same estimate for all rows"

    def _is_spent(self) -> bool:
        return 0 < self.schedule.steps <= self.taken

    def _step(self, inputs: list[Any], y: Any, weights: Any, rows: Any) -> bool:
        """Take one step and return whether it was sound."""
        if self._is_spent():
            return True
        torch = need("torch", extra="deep")
        self.module.train()
        self.optimiser.zero_grad()
        error = (self.module(*(part[rows] for part in inputs)) - y[rows]).square()
        loss = error.mean() if weights is None else (error * weights[rows]).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.clip)
        self.optimiser.step()
        self.taken += 1
        return bool(torch.isfinite(loss)) and bool(torch.isfinite(norm))


def run_module(module: Any, inputs: Sequence[Any], rows_at_once: int = ROWS_AT_ONCE) -> np.ndarray:
    """Return the estimates of a network, shape (n,), in portions and without gradients."""
    torch = need("torch", extra="deep")
    module.eval()
    with torch.no_grad():
        parts = [module(*(part[first:first + rows_at_once] for part in inputs)).cpu().numpy()
                 for first in range(0, len(inputs[0]), rows_at_once)]
    return np.concatenate(parts).astype("float64") if parts else np.empty(0)


def state_of(module: Any) -> dict[str, np.ndarray]:
    """Return a copy of the weights of a network by name."""
    return {name: values.detach().cpu().numpy().copy() for name, values in module.state_dict().items()}


def with_state(module: Any, state: Mapping[str, np.ndarray]) -> Any:
    """Return a network after putting weights into it, ready to estimate."""
    torch = need("torch", extra="deep")
    module.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in state.items()})
    return module.eval()


def hold_back(group: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return which rows serve as validation: about that share of the groups, whole; at least one, never all.

    Parameters
    ----------
    group : array of shape (n,)
    share : float
    seed : int

    Returns
    -------
    array of bool, shape (n,)

    Raises
    ------
    SampleError
        There is one group only.
    """
    groups = np.unique(group)
    if groups.size < 2:
        raise SampleError("All training samples are of one tower group, so none can be held back to stop training",
                          "Add towers")
    count = int(np.clip(round(share * groups.size), 1, groups.size - 1))
    chosen = np.random.default_rng([seed, groups.size]).choice(groups, count, replace=False)
    return np.isin(group, chosen)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread: sums in another order would give other bits."""
    torch = need("torch", extra="deep")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensor(values: np.ndarray, device: str) -> Any:
    torch = need("torch", extra="deep")
    return torch.from_numpy(np.ascontiguousarray(values, dtype="float32")).to(device)


def _tensors(parts: Sequence[np.ndarray], device: str) -> list[Any]:
    return [_tensor(part, device) for part in parts]
