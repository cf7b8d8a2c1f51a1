"""The network of CNN-SPEI without torch: estimates of very many patches, and what is kept of it.

Patches are so small that each convolution is written as one matrix, from all values of a patch to all values of
the result; zeros around the patch are simply left out. Products, rectifying and pooling are one compiled loop, in which
no row depends on the rows beside it, so that maps do not depend on how they are cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Mapping

import numpy as np

from ..deps import need
from ..errors import ArtifactError, ConfigError
from ..threads import in_parts
from .cnn_kernels import add_up, between, dense, layer, layer_back, layer_choice
from .expected_gradients import share_out
from .torch_loop import run_module, with_state

KERNEL, POOL = 3, 2
ROWS_AT_ONCE = 16
WAYS = 4
OUTPUTS = ("relu", "softplus", "linear")


def pads(side: int, stride: int) -> tuple[int, int]:
    """Return how many cells a pooling needs before and behind, so that its result has side / stride cells, rounded up.

    Examples
    --------
    >>> pads(3, 2), pads(2, 2), pads(1, 2), pads(3, 1)
    ((0, 1), (0, 0), (0, 1), (0, 1))
    """
    lack = max((-(-side // stride) - 1) * stride + POOL - side, 0)
    return lack // 2, lack - lack // 2


def pooled_sides(side: int, poolings: int, stride: int, padding: str = "same") -> list[int]:
    """Return the side of a patch after each pooling, the patch itself first.

    Raises
    ------
    ConfigError
        Without padding ("valid") a pooling would have nothing left to look at.

    Examples
    --------
    >>> pooled_sides(3, 3, 2), pooled_sides(3, 3, 1)
    ([3, 2, 1, 1], [3, 3, 3, 3])
    """
    sides = [side]
    for number in range(1, poolings + 1):
        if padding == "valid" and sides[-1] < POOL:
            raise ConfigError(f"Pooling {number} of {poolings} would find a patch of {sides[-1]} x {sides[-1]}: "
                              f"{side} x {side} cells do not last without padding", "Use padding=same")
        sides.append((sides[-1] - POOL) // stride + 1 if padding == "valid" else -(-sides[-1] // stride))
    return sides


def windows(side: int, stride: int) -> np.ndarray:
    """Return the positions that each pooling window covers, shape (windows, 4); -1 beyond the edge."""
    before, _ = pads(side, stride)
    out = -(-side // stride)
    found = np.full((out, out, POOL, POOL), -1, dtype="int64")
    for row, column, a, b in np.ndindex(found.shape):
        y, x = row * stride - before + a, column * stride - before + b
        if 0 <= y < side and 0 <= x < side:
            found[row, column, a, b] = y * side + x
    return found.reshape(out * out, -1)


def unrolled(kernel: np.ndarray, side: int) -> np.ndarray:
    """Return a convolution with zeros around as a matrix.

    Parameters
    ----------
    kernel : array of shape (filters, channels, 3, 3)
    side : int
        Of the patches.

    Returns
    -------
    array of shape (side * side * channels, side * side * filters)
        Cells row by row, the channels of a cell side by side.
    """
    filters, channels, size, _ = kernel.shape
    rim = size // 2
    matrix = np.zeros((side, side, channels, side, side, filters), dtype=kernel.dtype)
    for y, x, v, u in np.ndindex(side, side, side, side):
        if abs(v - y) <= rim and abs(u - x) <= rim:
            matrix[v, u, :, y, x, :] = kernel[:, :, v - y + rim, u - x + rim].T
    return matrix.reshape(side * side * channels, side * side * filters)


@dataclass(frozen=True)
class CompiledNetwork:
    """A fitted network in scaled numbers.

    Parameters
    ----------
    kernels : tuple of array of shape (filters, channels, 3, 3)
    biases : tuple of array of shape (filters,)
    last : array of shape (filters * side * side,)
        Weights of the dense layer, the cells of a filter side by side, as in torch.
    constant : float
        Its bias.
    side, stride : int
        Of the patches, and of the poolings.
    output : {"relu", "softplus", "linear"}
    background : array of shape (m, side * side * channels)
        Scaled training rows that contributions are measured against.
    device : str
        Where estimates are made; not kept. Anything but "cpu" asks torch.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    last: np.ndarray
    constant: float
    side: int
    stride: int
    output: str
    background: np.ndarray
    device: str = "cpu"

    @property
    def features(self) -> int:
        """Number of drivers."""
        return int(self.kernels[0].shape[1])

    @cached_property
    def _plan(self) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray, int]], np.ndarray]:
        layers, sides = [], pooled_sides(self.side, len(self.kernels), self.stride)
        for kernel, bias, side in zip(self.kernels, self.biases, sides):
            matrix = np.ascontiguousarray(unrolled(kernel, side), dtype="float32")
            layers.append((matrix, np.tile(bias, side * side).astype("float32"), windows(side, self.stride), len(bias)))
        cells = sides[-1] ** 2
        return layers, self.last.reshape(-1, cells).T.astype("float64").ravel()

    def estimate(self, rows: np.ndarray) -> np.ndarray:
        """Return the estimate of scaled rows, shape (n,); NaN where a row has a gap.

        Parameters
        ----------
        rows : array of shape (n, side * side * channels)
            Cells row by row, the channels of a cell side by side.
        """
        if self.device != "cpu":
            return self._in_torch(rows)
        layers, last = self._plan
        values = np.empty(len(rows))

        def work(part: slice) -> None:
            x = np.ascontiguousarray(rows[part], dtype="float32")
            for matrix, bias, places, channels in layers:
                out = np.empty((len(x), len(places) * channels), dtype="float32")
                layer(x, matrix, bias, places, channels, out)
                x = out
            dense(x, last, self.constant, values[part])

        if len(rows):
            in_parts(len(rows), work)
        values = self._activated(values)
        values[~np.isfinite(rows).all(axis=1)] = np.nan
        return values

    def _in_torch(self, rows: np.ndarray) -> np.ndarray:
        from .cnn_network import ConvolutionNetwork

        filters = tuple(len(bias) for bias in self.biases)
        network = ConvolutionNetwork(self.features, self.side, filters, self.stride, self.output)
        cells = np.ascontiguousarray(rows, dtype="float32").reshape(-1, self.side, self.side, self.features)
        torch = need("torch", extra="deep")
        patches = torch.from_numpy(np.ascontiguousarray(cells.transpose(0, 3, 1, 2))).to(self.device)
        values = run_module(with_state(network, self.state()).to(self.device), [patches])
        values[~np.isfinite(rows).all(axis=1)] = np.nan
        return values

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return contributions of the drivers, all cells together, and the base value, shape (n, p + 1).

        They are expected gradients; what these do not explain is shared out in proportion to their size, so
        that rows add up to the estimate.
        """
        phi, missed = self.expected_gradients(rows)
        return share_out(np.column_stack([phi, np.full(len(rows), self.base)]), missed)

    @cached_property
    def base(self) -> float:
        """Mean estimate of the background rows."""
        return float(self.estimate(self.background).mean())

    def expected_gradients(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return expected gradients of scaled rows, and how much of the estimate they miss.

        The slope of the estimate is averaged over points between the row and each background row, at shares of
        the way that are spread evenly; all rows use the same. Compiled, so that neither torch is needed for maps nor
        the last digits depend on the rows beside; `expected_gradients.py` does the same for any network of torch.

        Returns
        -------
        phi : array of shape (n, p)
        missed : array of shape (n,)
            Estimate less base value less the sum of `phi`.

        References
        ----------
        Erion, G. et al. (2021). Nature Machine Intelligence 3, 620-631. doi:10.1038/s42256-021-00343-w
        """
        phi = np.zeros((len(rows), self.features))
        points = np.repeat(self.background.astype("float32"), WAYS, axis=0)
        middles = (np.arange(len(points)) + 0.5) / len(points)  # one in each quarter of the way
        shares = middles.reshape(WAYS, -1)[:, np.random.default_rng(0).permutation(len(self.background))].T.ravel()

        def work(part: slice) -> None:
            for first in range(part.start, min(part.stop, len(rows)), ROWS_AT_ONCE):
                here = slice(first, min(first + ROWS_AT_ONCE, part.stop, len(rows)))
                x = np.ascontiguousarray(rows[here], dtype="float32")
                way = np.empty((len(x) * len(points), x.shape[1]), dtype="float32")
                between(x, points, shares.astype("float32"), way)
                add_up(x, points, self._slopes(way), phi[here])

        if len(rows):
            in_parts(len(rows), work)
        return phi, self.estimate(rows) - self.base - phi.sum(axis=1)

    def _slopes(self, rows: np.ndarray) -> np.ndarray:
        """Return the slope of the estimate in each value of rows, shaped as they are."""
        layers, last = self._plan
        choices, x = [], rows
        for matrix, bias, places, channels in layers:
            out = np.empty((len(x), len(places) * channels), dtype="float32")
            choice = np.empty(out.shape, dtype="int32")
            layer_choice(x, matrix, bias, places, channels, out, choice)
            choices.append(choice)
            x = out
        values = np.empty(len(rows))
        dense(x, last, self.constant, values)
        slope = {"linear": np.ones_like(values), "relu": (values > 0).astype("float64"),
                 "softplus": 1 / (1 + np.exp(-values))}[self.output]
        slopes = (slope[:, None] * last).astype("float32")
        for turned, choice in zip(self._turned[::-1], choices[::-1]):
            out = np.empty((len(rows), turned.shape[1]), dtype="float32")
            layer_back(slopes, choice, turned, out)
            slopes = out
        return slopes

    @cached_property
    def _turned(self) -> list[np.ndarray]:
        return [np.ascontiguousarray(matrix.T) for matrix, *_ in self._plan[0]]

    def _activated(self, values: np.ndarray) -> np.ndarray:
        if self.output == "linear":
            return values
        return np.maximum(values, 0.0) if self.output == "relu" else np.logaddexp(values, 0.0)

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights by the names that torch knows them by."""
        named = {f"convolutions.{k}.weight": kernel for k, kernel in enumerate(self.kernels)}
        named |= {f"convolutions.{k}.bias": bias for k, bias in enumerate(self.biases)}
        return {**named, "dense.weight": self.last[None], "dense.bias": np.array([self.constant])}

    @classmethod
    def of_state(cls, state: Mapping[str, np.ndarray], *, side: int, stride: int, output: str,
                 background: np.ndarray) -> CompiledNetwork:
        """Return the network with weights by the names of torch."""
        count = sum(name.startswith("convolutions.") and name.endswith(".weight") for name in state)
        kernels = tuple(np.asarray(state[f"convolutions.{k}.weight"]) for k in range(count))
        biases = tuple(np.asarray(state[f"convolutions.{k}.bias"]) for k in range(count))
        return cls(kernels, biases, np.asarray(state["dense.weight"])[0], float(state["dense.bias"][0]), side, stride,
                   output, background)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what to keep."""
        shape = np.array([self.side, self.stride, OUTPUTS.index(self.output)])
        return {**self.state(), "shape": shape, "background": self.background}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> CompiledNetwork:
        """Return the network that `to_arrays` took apart.

        Raises
        ------
        ArtifactError
            Its arrays do not fit together.
        """
        side, stride, output = (int(value) for value in arrays["shape"])
        network = cls.of_state(arrays, side=side, stride=stride, output=OUTPUTS[output],
                               background=arrays["background"])
        widths = [kernel.shape[:2] for kernel in network.kernels]
        chained = all(one[0] == two[1] for one, two in pairwise(widths))
        ends = pooled_sides(side, len(widths), stride)[-1] ** 2 * widths[-1][0] == network.last.size
        fits = all(bias.shape == (width[0],) for bias, width in zip(network.biases, widths))
        if not (chained and ends and fits and all(kernel.shape[2:] == (KERNEL, KERNEL) for kernel in network.kernels)):
            raise ArtifactError("The network of the model is damaged", "Fit the model again")
        return network
