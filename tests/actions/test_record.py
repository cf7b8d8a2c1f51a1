"""The run record is plain JSON beside what was written, and names all that was read."""

from __future__ import annotations

import json
import math

import pytest

from reco_core.actions.record import build_record, input_paths, write_record
from reco_core.catalogue import get_step, resolve


def refuse(text):
    """Fail where a number is none that JSON knows."""
    raise ValueError(text)


def test_a_record_is_json_for_everybody(tmp_path):
    """Scores that are not known become null: NaN is no JSON."""
    step = get_step("evaluate")
    values = resolve(step, {"samples": "absent.nc"}, str(tmp_path))
    path = write_record(step, values, {"output": values["output"], "details": {"pooled": {"r2_nse_sd": math.nan}}})
    record = json.loads(path.read_text(), parse_constant=refuse)
    assert record["details"] == {"pooled": {"r2_nse_sd": None}}
    assert [item.name for item in tmp_path.iterdir()] == ["scores.run.json"]


@pytest.mark.parametrize(("name", "wanted"), [
    ("reco.2001.tif", "reco.2001.run.json"), ("reco.2002.tif", "reco.2002.run.json"), ("model", "model.run.json")])
def test_every_output_has_its_own_record(tmp_path, name, wanted):
    """Outputs that differ after a dot in their name do not share a record."""
    step = get_step("trend")
    values = resolve(step, {"estimate": "absent.tif", "output": str(tmp_path / name)})
    assert write_record(step, values, {"output": values["output"]}).name == wanted


def test_all_inputs_are_known(tmp_path):
    """Several drivers in one text, a variable of a file and a region are inputs like any other."""
    for name in ("a.nc", "b.nc", "c.nc", "area.geojson", "model.json"):
        (tmp_path / name).write_text(name)
    a, b, c, area = (str(tmp_path / name) for name in ("a.nc", "b.nc", "c.nc", "area.geojson"))
    step = get_step("predict")
    values = resolve(step, {"model": str(tmp_path), "drivers": f"{a}, {b}", "layers": [f'NETCDF:"{c}":ta'],
                            "region": area}, str(tmp_path / "out"))
    assert input_paths(step, values) == [str(tmp_path), a, b, c, area]
    assert list(build_record(step, values, {})["inputs"]) == [str(tmp_path), a, b, c, area]
    assert input_paths(step, {**values, "region": "6,48,7,49 [EPSG:4326]", "drivers": None})[1:] == [c]
