"""Figures show what they are given, the same way every time."""

from __future__ import annotations

import io

import numpy as np
import pytest

from reco_core.report import canvas, figures, figures_drivers, figures_groups, figures_maps, figures_series
from reco_core.report.inputs import Driver, Frame


@pytest.fixture
def pixels():
    """Return a function from PNG bytes to an array of colours."""
    image = pytest.importorskip("PIL.Image")
    return lambda data: np.asarray(image.open(io.BytesIO(data)).convert("RGB"), dtype=int)


def test_every_figure_shows_something(inputs, pixels):
    """No figure is blank, none has ink on its outermost pixels: nothing is cut off."""
    pictures = figures.all_figures(inputs())
    assert len(pictures) == len({picture.name for picture in pictures}) == 18
    for picture in pictures:
        image = pixels(picture.png)
        assert image.std() > 10, picture.name
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (edge == 255).all(), f"{picture.name} touches its edge"


def test_figures_do_not_depend_on_the_users_settings(inputs):
    """Whatever matplotlib is set to outside, the bytes are the same and the settings stay."""
    import matplotlib

    before, = figures.all_figures(inputs(), {"flux"})
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        again, = figures.all_figures(inputs(), {"flux"})
        assert matplotlib.rcParams["font.size"] == 20
    assert before.png == again.png
    assert b"Software" not in before.png
    assert b"tIME" not in before.png


def test_maps_have_the_proportions_of_the_land():
    """A degree of longitude at 60 N is drawn half as wide as one of latitude."""
    assert Frame(0, 10, 55, 65).aspect == pytest.approx(2.0)
    assert Frame(0, 10, 0, 5, geographic=False).aspect == pytest.approx(0.5)
    lay = figures_maps.sheet(Frame(0, 10, 55, 65))
    assert lay.height / lay.width == pytest.approx(2.0)


def test_cells_stand_where_they_belong(pixels):
    """The north-west cell of a map is drawn at the upper left."""
    values = np.zeros((4, 4))
    values[0, 0] = 1.0
    with canvas.style():
        figure = figures_maps.field_map(Frame(0, 4, 0, 4, geographic=False), values, ramp="Greys", title="t",
                                        label="l", span=(0, 1))
        axes = figure.axes[0]
        box = axes.get_position()
        image = pixels(canvas.png(figure))
    height, width = image.shape[:2]
    corner = image[int((1 - box.y1 + box.height / 8) * height), int((box.x0 + box.width / 8) * width)]
    other = image[int((1 - box.y0 - box.height / 8) * height), int((box.x1 - box.width / 8) * width)]
    assert corner.sum() < 30
    assert other.sum() > 740


def test_bins_have_equal_counts():
    """Thirty bins share the points evenly, and equal values never stand in two bins."""
    x = np.random.default_rng(0).permutation(3000).astype(float)
    curve = figures_drivers.binned_medians(x, 2 * x)
    assert len(curve) == 30
    assert set(curve[:, 4]) == {100}
    np.testing.assert_allclose(curve[:, 2], 2 * curve[:, 0])
    tied = figures_drivers.binned_medians(np.repeat([0.0, 1.0, 2.0], [500, 30, 5]), np.ones(535))
    assert tied[:, 4].sum() == 535
    assert len(tied) == 2


def test_step_is_found_within_one_bin():
    """A contribution that jumps at 0 jumps between two neighbouring bins of the curve."""
    x = np.random.default_rng(1).normal(0, 5, 5000)
    curve = figures_drivers.binned_medians(x, np.where(x > 0, 3.0, -3.0))
    jump = int(np.argmax(np.abs(np.diff(curve[:, 2]))))
    left, right = curve[jump, 0], curve[jump + 1, 0]
    assert left < 0 < right or min(abs(left), abs(right)) < np.diff(curve[:, 0]).max()


def test_few_points_give_no_curve():
    """Below twenty points there is nothing to draw a median of."""
    assert figures_drivers.binned_medians(np.arange(19.0), np.arange(19.0)).shape == (0, 5)


def test_mixed_colours_tell_the_groups_apart():
    """Corners are the colours of the groups and an even mixture is a light grey."""
    corners = figures_groups.mix(np.eye(3))
    np.testing.assert_allclose(corners, figures_groups.CORNERS, atol=1e-6)
    even = figures_groups.mix(np.full(3, 1 / 3))
    assert np.ptp(even) < 0.08
    assert even.min() > 0.7


def test_dominant_classes_are_sorted_by_area():
    """The legend names drivers by falling area with their own colours, and leaves out those nowhere on top."""
    drivers = [Driver.named(name) for name in ("ta", "lai", "precip")]
    classes = figures_groups.dominant_classes(np.array([[2, 2, 2, 1.0]]), drivers)
    assert [(code, round(area, 2)) for code, _name, _colour, area in classes] == [(2, 0.75), (1, 0.25)]


def test_months_without_data_stay_empty():
    """A series that starts in March has no value for the first January."""
    table = figures_series.by_month(["2001-03", "2001-04", "2002-01"], np.array([3.0, 4.0, 1.0]))
    assert np.isnan(table[0, 0])
    assert table[2, 0] == 3.0
    assert table[0, 1] == 1.0


def test_limits_leave_out_extremes():
    """One wild cell does not set the colours; the colour bar shows an arrow there instead."""
    values = np.concatenate([np.linspace(0, 90, 999), [1e6]])
    assert canvas.limits(values) == (0.0, 100.0)
    assert canvas.extension(values, 0.0, 100.0) == "max"
    assert canvas.limits(np.array([-3.0, 8.0]), symmetric=True)[1] == pytest.approx(8.0)
    assert canvas.limits(np.full(5, np.nan)) == (0.0, 1.0)
