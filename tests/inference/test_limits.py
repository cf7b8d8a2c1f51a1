"""A limit of memory that is too small is told before anything is computed: libraries would end without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reco_core.errors import ResourceError
from reco_core.inference import limits
from reco_core.inference.limits import require_addresses
from source import ROOT


def test_no_limit(monkeypatch):
    """Where nothing is limited, or the system does not say what is taken, nothing is refused."""
    monkeypatch.setattr(limits, "_limit_gb", lambda: None)
    require_addresses(1e6)
    monkeypatch.setattr(limits, "_limit_gb", lambda: 0.1)
    monkeypatch.setattr(limits, "_taken_gb", lambda: None)
    require_addresses(1e6)


@pytest.mark.parametrize(("limit", "taken", "wanted", "fits"), [
    (1.0, 0.1, 0.0, False), (4.0, 0.1, 0.0, True), (4.0, 1.3, 3.0, False), (8.0, 1.3, 3.0, True)])
def test_what_fits(monkeypatch, limit, taken, wanted, fits):
    """Libraries, threads and arrays have to fit; the message says how much is allowed and how much is needed."""
    monkeypatch.setattr(limits, "_limit_gb", lambda: limit)
    monkeypatch.setattr(limits, "_taken_gb", lambda: taken)
    monkeypatch.setattr(limits.os, "cpu_count", lambda: 2)
    if fits:
        require_addresses(wanted)
        return
    with pytest.raises(ResourceError, match=rf"may address {limit:.2f} GB \(ulimit -v\) and needs about") as error:
        require_addresses(wanted)
    assert "--memory" in error.value.hint


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits of Linux")
def test_a_real_limit():
    """The limit of the shell is the one that is asked for, and what is taken already counts."""
    code = ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
            "from reco_core.inference import limits\n"
            "limits.os.cpu_count = lambda: 2\nlimits.require_addresses(); limits.require_addresses(1.0)\n"
            "room = bytearray(1 << 30)\nlimits.require_addresses(1.5)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1 and "may address 3.22 GB" in done.stderr.splitlines()[-1], done.stderr
