"""Estimates of CNN-SPEI from compiled code against the same network in torch, one patch at a time, in the same run.

Prints rows for RESULTS.md: date, machine, patches, drivers, ours and the peers in patches per second, ratio, largest
difference of the estimates. Medians of `--repeats`, interleaved; ours on `--patches`, the loop on the first
`--loop` of them. Besides the loop, torch on 1,024 patches at a time. Ours uses every core; torch is given
`--threads` (for the loop 1 is fastest).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date
from typing import Any, Callable

import numpy as np
from common import parsed

from reco_core.deps import need
from reco_core.models.cnn_numpy import CompiledNetwork

CORES = os.cpu_count() or 1
FILTERS, BLOCK, SAME = (32, 64, 128), 1024, 1e-5


def networks(channels: int, side: int, stride: int) -> tuple[Any, CompiledNetwork]:
    """Return a network of torch with random weights, and the same one compiled."""
    from reco_core.models.cnn_network import ConvolutionNetwork

    need("torch").manual_seed(0)
    network = ConvolutionNetwork(channels, side, FILTERS, stride, "relu")
    network.start_at(1.0)
    state = {name: values.numpy() for name, values in network.state_dict().items()}
    return network.eval(), CompiledNetwork.of_state(state, side=side, stride=stride, output="relu",
                                                    background=np.zeros((1, side * side * channels), "float32"))


def in_torch(network: Any, patches: Any, block: int) -> np.ndarray:
    """Return estimates of so many patches at a time."""
    with need("torch").no_grad():
        return np.concatenate([network(patches[at:at + block]).numpy() for at in range(0, len(patches), block)])


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(side: int, stride: int, options: argparse.Namespace) -> None:
    """Measure one size of patches and print its rows."""
    torch, channels = need("torch"), options.drivers
    network, ours = networks(channels, side, stride)
    rows = np.random.default_rng(0).normal(size=(options.patches, side * side * channels)).astype("float32")
    cells = torch.from_numpy(np.ascontiguousarray(rows.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)))
    gap = float(np.abs(ours.estimate(rows[:options.loop]) - in_torch(network, cells[:options.loop], BLOCK)).max())
    assert gap < SAME, f"the answers differ by {gap}"
    for name, block, count in (("one by one", 1, options.loop), (f"{BLOCK} at a time", BLOCK, options.patches)):
        in_torch(network, cells[:4 * block], block)
        pairs = [(seconds(lambda: ours.estimate(rows)) / len(rows),
                  seconds(lambda b=block, n=count: in_torch(network, cells[:n], b)) / count)
                 for _ in range(options.repeats)]
        mine, other = (statistics.median(pair[k] for pair in pairs) for k in (0, 1))
        ratios = sorted(pair[1] / pair[0] for pair in pairs)
        print(f"| {date.today()} | {CORES} cores | {side} x {side}, steps of {stride} | {channels} | {1 / mine:.0f} | "
              f"torch, {name}, {options.threads} threads | {1 / other:.0f} | {statistics.median(ratios):.1f} "
              f"[{ratios[0]:.1f}..{ratios[-1]:.1f}] | {gap:.1g} |", flush=True)


def main() -> None:
    """Measure patches of 3 x 3 cells, the same with pooling steps of 1, and single cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", type=int, default=13)
    parser.add_argument("--patches", type=int, default=100_000)
    parser.add_argument("--loop", type=int, default=2000, help="patches that torch estimates one by one")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--repeats", type=int, default=5)
    options = parsed(parser, patches=2000, loop=20, repeats=1)
    need("torch", extra="deep").set_num_threads(options.threads)
    print("| date | machine | patches | drivers | ours (patches/s) | peer | peer (patches/s) | ratio | "
          "largest difference |")
    for side, stride in ((3, 2), (3, 1), (1, 2)):
        compare(side, stride, options)


if __name__ == "__main__":
    main()
