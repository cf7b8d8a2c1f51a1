"""The network of Geoman as arrays: estimates and attention of many rows at once, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Mapping, NamedTuple

import numpy as np

from ..deps import need
from ..errors import ArtifactError
from .expected_gradients import Attribution, expected_gradients
from .torch_loop import run_module

BLOCK = 256
WEIGHT = "weight_"


@dataclass(frozen=True)
class Shape:
    """Sizes of a network: time steps, local series, external values, hidden units, layers; whether as in TensorFlow."""

    window: int
    series: int
    external: int
    hidden: int
    layers: int = 1
    tf: bool = False

    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every weight.

        Examples
        --------
        >>> int(sum(np.prod(shape) for shape in Shape(12, 7, 3, 64).arrays().values()))
        74921
        """
        t, m = self.window, self.hidden
        asked = 2 * m * (self.layers if self.tf else 1)
        fused = 1 if self.tf else 1 + self.external + m
        found: dict[str, tuple[int, ...]] = {"local_query": (t, asked), "local_series": (t, t), "local_bias": (t,),
                                             "local_out": (t,)}
        for part, width in (("encoder", self.series), ("decoder", fused)):
            for layer in range(self.layers):
                found |= {f"{part}{layer}_in": (4 * m, width if layer == 0 else m),
                          f"{part}{layer}_state": (4 * m, m), f"{part}{layer}_bias": (4 * m,)}
        found |= {"time_query": (m, asked), "time_states": (m, m), "time_bias": (m,), "time_out": (m,)}
        if self.tf:
            found |= {"fusion": (1, 1 + self.external + m), "fusion_bias": (1,)}
        return found | {"mix": (m, 2 * m), "mix_bias": (m,), "out": (m,), "out_bias": (1,)}


class Seen(NamedTuple):
    """What a network makes of n rows: estimate (n,), share of series (n, T, N), of steps (n, T), their sum (n, m)."""

    estimate: Any
    series: Any
    steps: Any
    summary: Any


class Forward:
    """The steps of the network in float32 (or float64 where the weights are).

    Parameters
    ----------
    shape : Shape
    weights : mapping of name to array
        Of the shapes `Shape.arrays`.
    """

    def __init__(self, shape: Shape, weights: Mapping[str, np.ndarray]) -> None:
        self.shape = shape
        self.weights = {name: np.ascontiguousarray(values.T) for name, values in weights.items()}
        m = shape.hidden
        forget = np.zeros(4 * m, dtype=weights["out"].dtype)
        forget[m:2 * m] = 1
        for part in ("encoder", "decoder"):
            for layer in range(shape.layers):
                self.weights[f"{part}{layer}_bias"] = weights[f"{part}{layer}_bias"] + forget
                self.weights[f"{part}{layer}"] = np.concatenate(
                    [self.weights[f"{part}{layer}_in"], self.weights[f"{part}{layer}_state"]])

    def seen(self, local: np.ndarray, external: np.ndarray) -> Seen:
        """Return the estimate and both attentions of series (n, T, N) and external values (n, E)."""
        w, m = self.weights, self.shape.hidden
        states, tops, series = self._encode(local)
        nothing = np.zeros((len(local), 1), dtype=local.dtype)
        if self.shape.tf:
            given = np.concatenate([nothing, external, np.zeros((len(local), m), local.dtype)], axis=1)
            top, states = self._step("decoder", given @ w["fusion"] + w["fusion_bias"], states)
            steps, summary = self._time(states, tops)
        else:
            steps, summary = self._time(states, tops)
            top, _ = self._step("decoder", np.concatenate([nothing, external, summary], axis=1), states)
        mixed = np.concatenate([summary, top], axis=1) @ w["mix"] + w["mix_bias"]
        return Seen(_dot(mixed, w["out"]) + w["out_bias"], series, steps, summary)

    def _encode(self, local: np.ndarray) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
        n, window, count = local.shape
        projected = np.ascontiguousarray(local.transpose(0, 2, 1)).reshape(-1, window) @ self.weights["local_series"]
        projected = projected.reshape(n, count, window)
        zero = np.zeros((n, self.shape.hidden), dtype=local.dtype)
        states = [(zero, zero)] * self.shape.layers
        tops = np.empty((n, window, self.shape.hidden), dtype=local.dtype)
        series = np.empty((n, window, count), dtype=local.dtype)
        share = np.zeros((n, count), dtype=local.dtype)
        for step in range(window):
            if not self.shape.tf:
                share = series[:, step] = self._series(projected, states)
            tops[:, step], states = self._step("encoder", share * local[:, step], states)
            if self.shape.tf:
                share = series[:, step] = self._series(projected, states)
        return states, tops, series

    def _asked(self, states: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        return np.concatenate([part for state in (states if self.shape.tf else states[-1:]) for part in state], axis=1)

    def _series(self, projected: np.ndarray, states: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        query = self._asked(states) @ self.weights["local_query"] + self.weights["local_bias"]
        return _softmax(_dot(np.tanh(projected + query[:, None]), self.weights["local_out"]))

    def _time(self, states: list[tuple[np.ndarray, np.ndarray]], tops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        query = self._asked(states) @ self.weights["time_query"] + self.weights["time_bias"]
        hidden = (tops.reshape(-1, self.shape.hidden) @ self.weights["time_states"]).reshape(tops.shape)
        steps = _softmax(_dot(np.tanh(hidden + query[:, None]), self.weights["time_out"]))
        return steps, (steps[:, :, None] * tops).sum(axis=1)

    def _step(self, part: str, given: np.ndarray, states: list[tuple[np.ndarray, np.ndarray]],
              ) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        m, after = self.shape.hidden, []
        for layer, (output, cell) in enumerate(states):
            gates = np.concatenate([given, output], axis=1) @ self.weights[f"{part}{layer}"]
            gates += self.weights[f"{part}{layer}_bias"]
            inward, forget, outward = (_logistic(gates[:, k * m:(k + 1) * m]) for k in (0, 1, 3))
            cell = forget * cell + inward * np.tanh(gates[:, 2 * m:3 * m])
            given = outward * np.tanh(cell)
            after.append((given, cell))
        return given, after


@dataclass(frozen=True)
class CompiledGeoman:
    """One fitted member: rows of scaled numbers to scaled estimates.

    shape; weights by name (float32); local_at (T, N) and external_at (E,), the columns of a row that are the series
    and the external values; background (B, width), scaled training rows; `features`, the number of drivers;
    `device`, where torch computes estimates and contributions if not "cpu" (numpy makes the estimates there).
    """

    shape: Shape
    weights: dict[str, np.ndarray]
    local_at: np.ndarray
    external_at: np.ndarray
    background: np.ndarray
    features: int
    device: str = "cpu"

    def seen(self, rows: np.ndarray) -> Seen:
        """Return the estimate and both attentions of scaled rows; NaN where a row has a gap in what is seen."""
        shape, n = self.shape, len(rows)
        found = Seen(np.full(n, np.nan), np.full((n, shape.window, shape.series), np.nan),
                     np.full((n, shape.window), np.nan), np.full((n, shape.hidden), np.nan))
        whole = np.flatnonzero(self.known(rows))
        forward = Forward(shape, self.weights)
        for first in range(0, len(whole), BLOCK):
            at = whole[first:first + BLOCK]
            # blocks of one size: then a row has the same bits in whatever company it comes
            local = np.zeros((BLOCK, shape.window, shape.series), dtype="float32")
            external = np.zeros((BLOCK, shape.external), dtype="float32")
            local[:len(at)] = rows[at[:, None, None], self.local_at]
            external[:len(at)] = rows[at[:, None], self.external_at]
            for values, part in zip(found, forward.seen(local, external)):
                values[at] = part[:len(at)]
        return found

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows have no gap in what the network sees, shape (n,)."""
        at = np.unique(np.concatenate([self.local_at.ravel(), self.external_at]))
        return np.isfinite(rows[:, at]).all(axis=1)

    def estimate(self, rows: np.ndarray) -> np.ndarray:
        """Return the estimate, shape (n,)."""
        if self.device == "cpu":
            return self.seen(rows).estimate
        whole, result = self.known(rows), np.full(len(rows), np.nan)
        inputs = [_tensor(rows[whole][:, at], self.device) for at in (self.local_at, self.external_at)]
        result[whole] = run_module(self.module(), inputs)
        return result

    def module(self) -> Any:
        """Return the network in torch, on the device, ready to estimate."""
        kind = need(f"{__package__}.geoman_network", extra="deep").GeomanNetwork
        return kind(self.shape).load(self.weights).to(self.device).eval()

    def attention(self, rows: np.ndarray) -> np.ndarray:
        """Return the share of attention of each driver, mean over time steps, shape (n, p); 0 for external ones."""
        result = np.zeros((len(rows), self.features))
        result[:, self.local_at[0] % self.features] = self.seen(rows).series.mean(axis=1)
        return result / result.sum(axis=1, keepdims=True)  # float32 adds up to 1 only nearly

    def explain(self, rows: np.ndarray) -> Attribution:
        """Return contributions of the drivers and the base value, and what gradients missed of each estimate."""
        module = self.module()
        local, external = (_tensor(at, self.device, "int64") for at in (self.local_at, self.external_at))
        owners = np.arange(rows.shape[1]) % self.features

        def function(values: Any) -> Any:
            return module(values[:, local], values[:, external])

        whole = self.known(rows)
        found = Attribution(np.full((len(rows), self.features + 1), np.nan), np.full(len(rows), np.nan))
        base = float(self.estimate(self.background).mean())
        part = expected_gradients(function, np.nan_to_num(rows[whole]), self.background, owners, self.features,
                                  estimate=self.estimate(rows[whole]), base=base,
                                  device=self.device)
        found.phi[whole], found.missed[whole] = part
        return found

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return contributions and the base value, shape (n, p + 1)."""
        return self.explain(rows).phi

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        sizes = np.array([int(size) for size in asdict(self.shape).values()])
        return {"sizes": sizes, "local_at": self.local_at, "external_at": self.external_at,
                "background": self.background, "features": np.array(self.features),
                **{WEIGHT + name: values for name, values in self.weights.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> CompiledGeoman:
        """Return the member that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            Its arrays do not fit together.
        """
        sizes = dict(zip(Shape.__dataclass_fields__, (int(size) for size in arrays["sizes"])))
        shape = Shape(**{**sizes, "tf": bool(sizes["tf"])})  # type: ignore[arg-type]
        weights = {name.removeprefix(WEIGHT): values for name, values in arrays.items() if name.startswith(WEIGHT)}
        local_at, external_at, background = (arrays[name] for name in ("local_at", "external_at", "background"))
        columns = np.concatenate([local_at.ravel(), external_at])
        if ({name: values.shape for name, values in weights.items()} != shape.arrays()
                or local_at.shape != (shape.window, shape.series) or external_at.shape != (shape.external,)
                or background.ndim != 2 or columns.min() < 0 or columns.max() >= background.shape[1]):
            raise ArtifactError("The network of the model is damaged", "Fit the model again")
        return cls(shape, weights, local_at, external_at, background, int(arrays["features"]))


def _tensor(values: np.ndarray, device: str, kind: str = "float32") -> Any:
    return need("torch", extra="deep").from_numpy(np.ascontiguousarray(values, dtype=kind)).to(device)


def _dot(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the product of the last axis with a vector."""
    return (values.reshape(-1, values.shape[-1]) @ weights).reshape(values.shape[:-1])


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _logistic(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) by the hyperbolic tangent, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * values) + 0.5
