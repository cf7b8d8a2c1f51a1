"""The convolutional network of CNN-SPEI in torch: what is trained, and what the compiled one is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..deps import need
from .cnn_numpy import KERNEL, POOL, pads

torch = need("torch", extra="deep")
nn = torch.nn
functional = torch.nn.functional


def pool_same(x: Any, stride: int = POOL) -> Any:
    """Return the largest value in windows of 2 x 2; sizes are divided by the stride and rounded up.

    Beyond the edge lies minus infinity, so that a patch of negative values keeps its largest one.

    Parameters
    ----------
    x : tensor of shape (n, channels, side, side)
    stride : int
        1 keeps the size.
    """
    before, after = pads(x.shape[-1], stride)
    padded = functional.pad(x, (before, after, before, after), value=float("-inf"))
    return functional.max_pool2d(padded, POOL, stride)


class ConvolutionNetwork(nn.Module):  # type: ignore[name-defined, misc]
    """Three convolutions, each with a max-pooling, and one dense layer.

    Parameters
    ----------
    channels : int
        Drivers.
    side : int
        Side of the square patches.
    filters : tuple of int
        Of the convolutions, whose kernels are 3 x 3 with zeros around.
    stride : int
        Of the poolings.
    output : {"relu", "softplus", "linear"}

    References
    ----------
    Yu, P. et al. (2021). Preprint. doi:10.21203/rs.3.rs-1116960/v1
    """

    def __init__(self, channels: int, side: int, filters: tuple[int, ...], stride: int = POOL,
                 output: str = "relu") -> None:
        super().__init__()
        self.stride, self.output = stride, output
        widths = (channels, *filters)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, KERNEL, padding=KERNEL // 2)
                                          for a, b in zip(widths, filters))
        for _ in filters:
            side = -(-side // stride)
        self.dense = nn.Linear(filters[-1] * side * side, 1)

    def start_at(self, mean: float) -> None:
        """Set the bias of the output so that the network starts near the mean of the target."""
        start = float(np.log(np.expm1(max(mean, 1e-3)))) if self.output == "softplus" else mean
        with torch.no_grad():
            self.dense.bias.fill_(start)

    def sizes(self, patches: Any) -> list[int]:
        """Return the side of the patches and of what each pooling makes of it."""
        return [patches.shape[-1], *(x.shape[-1] for x in self._layers(patches))]

    def forward(self, patches: Any) -> Any:
        """Return the estimate of patches (n, channels, side, side), shape (n,)."""
        last = self._layers(patches)[-1]
        values = self.dense(last.flatten(1))[:, 0]
        if self.output == "linear":
            return values
        return functional.relu(values) if self.output == "relu" else functional.softplus(values)

    def _layers(self, x: Any) -> list[Any]:
        found = []
        for convolution in self.convolutions:
            x = pool_same(functional.relu(convolution(x)), self.stride)
            found.append(x)
        return found
