import numpy as np
import pytest

from core.errors import InputError
from core.mapplaces import anchors, display_points


def test_display_keeps_the_order_and_gives_most_of_the_frame_to_the_most_rows():
    rng = np.random.default_rng(0)
    layout = rng.normal(size=(2000, 2))
    layout[:5] = [[500, 0], [400, 1], [-300, 0], [0, 900], [0, -900]]
    points = display_points(layout)
    for axis, size in ((0, 1.25), (1, 1.0)):
        order = np.argsort(layout[:, axis])
        assert (np.diff(points[order, axis]) >= 0).all()
        assert points[:, axis].min() >= 0
        assert points[:, axis].max() <= size + 1e-6
        inner = np.quantile(points[:, axis], [0.01, 0.99])
        assert np.ptp(inner) > 0.4 * size  # of the layout itself it is less than a hundredth
    # Without the share, the middle is only moved and scaled, and far islands are near.
    plain = display_points(layout, evenness=0).astype(np.float64)
    middle = np.abs(layout[:, 1]) < 2
    slope, start = np.polyfit(layout[middle, 1], plain[middle, 1], 1)
    np.testing.assert_allclose(plain[middle, 1], slope * layout[middle, 1] + start, atol=1e-5)
    assert np.ptp(plain[middle, 1]) > 0.4


def test_an_anchor_lies_on_the_thickest_island_of_its_cluster():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.2, (600, 2)), rng.normal(9, 0.2, (400, 2))])
    spots = anchors(points, np.zeros(1000, int), 2)
    assert np.linalg.norm(spots.at[0]) < 0.3
    assert np.isnan(spots.at[1]).all()


@pytest.mark.parametrize("layout", [np.zeros((3, 3)), np.zeros(4), np.array([[np.inf, 0.0]])])
def test_a_layout_of_the_wrong_kind_is_refused(layout):
    with pytest.raises(InputError):
        display_points(layout)
