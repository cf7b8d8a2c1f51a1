"""The network of Geoman in PyTorch: attention over series, an LSTM, attention over time, a decoder of one step."""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np

from ..deps import need
from .geoman_numpy import Seen, Shape

torch = need("torch", extra="deep")


class GeomanNetwork(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Local spatial attention, encoder, temporal attention, fusion with external values, decoder.

    The default form takes the first attention from the initial state, asks the state of the last
    layer, and hands the fused vector to the decoder as it is. As in TensorFlow (`Shape.tf`) the first steps of encoder
    and decoder have no attention, all layers are asked, and the fusion has one value.

    References
    ----------
    Liang, Y. et al. (2018). GeoMAN. Proc. IJCAI, 3428-3434. doi:10.24963/ijcai.2018/476
    Liu, J. et al. (2022). Remote Sens. 14, 3563. doi:10.3390/rs14153563
    """

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = torch.nn.Dropout(dropout)
        for name, size in shape.arrays().items():
            limit = math.sqrt(6 / (size[0] + size[-1])) if len(size) > 1 else math.sqrt(3 / size[0])
            start = torch.rand(size) * 2 * limit - limit
            if name.endswith("bias"):
                start = torch.zeros(size)
            self.register_parameter(name, torch.nn.Parameter(start))

    def load(self, arrays: Mapping[str, np.ndarray]) -> GeomanNetwork:
        """Return the network with these weights."""
        self.load_state_dict({name: torch.as_tensor(np.asarray(values)) for name, values in arrays.items()})
        return self

    def forward(self, local: Any, external: Any) -> Any:
        """Return the estimate, shape (n,), of series (n, T, N) and external values (n, E), all standardised."""
        return self.seen(local, external).estimate

    def seen(self, local: Any, external: Any) -> Seen:
        """Return the estimate and both attentions."""
        states, tops, series = self._encode(local)
        if self.shape.tf:
            return self._decode_tf(states, tops, series, external)
        steps, summary = self._time(states, tops)
        fused = torch.cat([local.new_zeros(len(local), 1), external, summary], dim=1)
        top, _ = self._step("decoder", fused, states)
        return Seen(self._out(summary, top), series, steps, summary)

    def _encode(self, local: Any) -> tuple[list[tuple[Any, Any]], Any, Any]:
        """Return the last states of the layers, the outputs of the last layer (n, T, m), and shares (n, T, N)."""
        zero = local.new_zeros(len(local), self.shape.hidden)
        states = [(zero, zero)] * self.shape.layers
        projected = local.transpose(1, 2) @ self.local_series.T
        share = torch.zeros_like(local[:, 0]) if self.shape.tf else None
        tops, series = [], []
        for step in range(self.shape.window):
            if share is None:
                share = self._series(projected, states)
                series.append(share)
            top, states = self._step("encoder", share * local[:, step], states)
            tops.append(top)
            share = None
            if self.shape.tf:
                share = self._series(projected, states)
                series.append(share)
        return states, torch.stack(tops, dim=1), torch.stack(series, dim=1)

    def _asked(self, states: list[tuple[Any, Any]]) -> Any:
        return torch.cat([part for state in (states if self.shape.tf else states[-1:]) for part in state], dim=1)

    def _series(self, projected: Any, states: list[tuple[Any, Any]]) -> Any:
        query = torch.nn.functional.linear(self._asked(states), self.local_query, self.local_bias)
        return torch.softmax(torch.tanh(projected + query[:, None]) @ self.local_out, dim=1)

    def _time(self, states: list[tuple[Any, Any]], tops: Any) -> tuple[Any, Any]:
        query = torch.nn.functional.linear(self._asked(states), self.time_query, self.time_bias)
        steps = torch.softmax(torch.tanh(tops @ self.time_states.T + query[:, None]) @ self.time_out, dim=1)
        return steps, (steps[:, :, None] * tops).sum(dim=1)

    def _step(self, part: str, given: Any, states: list[tuple[Any, Any]]) -> tuple[Any, list[tuple[Any, Any]]]:
        """Return the output of the last layer and the states of all after one time step."""
        after = []
        for layer, state in enumerate(states):
            weights = [getattr(self, f"{part}{layer}_{name}") for name in ("in", "state", "bias")]
            state = torch.lstm_cell(given, state, weights[0], weights[1], self._forgetting(weights[2]))
            after.append(state)
            given = self.dropout(state[0])
        return given, after

    def _forgetting(self, bias: Any) -> Any:
        """Return the bias with 1 added to the forget gate, the second of the four."""
        m = self.shape.hidden
        extra = bias.new_zeros(4 * m)
        extra[m:2 * m] = 1
        return bias + extra

    def _decode_tf(self, states: list[tuple[Any, Any]], tops: Any, series: Any, external: Any) -> Seen:
        nothing = tops.new_zeros(len(tops), self.shape.hidden)
        fused = torch.nn.functional.linear(torch.cat([nothing[:, :1], external, nothing], dim=1), self.fusion,
                                           self.fusion_bias)
        top, states = self._step("decoder", fused, states)
        steps, summary = self._time(states, tops)
        return Seen(self._out(summary, top), series, steps, summary)

    def _out(self, summary: Any, top: Any) -> Any:
        mixed = torch.nn.functional.linear(torch.cat([summary, top], dim=1), self.mix, self.mix_bias)
        return mixed @ self.out + self.out_bias
