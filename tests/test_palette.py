import numpy as np
import pytest

from core import palette

PAGES = {"light": (255, 255, 255), "dark": (15, 19, 26)}


def contrast(rgb, page):
    """WCAG contrast ratio."""

    def luminance(color):
        value = np.asarray(color) / 255
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    bright, dim = sorted([luminance(rgb), luminance(page)], reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", PAGES)
def test_no_two_colours_are_alike_for_any_kind_of_vision(theme):
    rgb = palette.to_rgb(palette.CATEGORICAL[theme])
    apart = palette.separation(rgb)[np.triu_indices(len(rgb), 1)]
    assert len(rgb) == 12
    assert apart.min() > 0.06
    rgb = palette.to_rgb([*palette.ALL[theme], palette.NEUTRAL[theme]])
    assert len(rgb) == 25
    assert palette.separation(rgb)[np.triu_indices(25, 1)].min() > 0.05


@pytest.mark.parametrize("theme", PAGES)
def test_every_colour_stands_out_from_the_page(theme):
    for color in palette.to_rgb(palette.ALL[theme]):
        assert contrast(color, PAGES[theme]) > 2


def test_a_colour_keeps_its_hue_from_light_to_dark():
    hues = []
    for theme in PAGES:
        lab = palette.to_oklab(palette.to_rgb(palette.CATEGORICAL[theme]))
        hues.append(np.degrees(np.arctan2(lab[:, 2], lab[:, 1])))
    turn = np.abs((hues[0] - hues[1] + 180) % 360 - 180)
    assert turn.max() < 15


def test_simulated_colour_blindness_confuses_what_it_should():
    red_green = palette.to_rgb(["#d01010", "#4f7a00"])
    normal = np.linalg.norm(np.diff(palette.to_oklab(red_green), axis=0))
    deutan = np.linalg.norm(np.diff(palette.to_oklab(red_green, "deuteranopia"), axis=0))
    assert deutan < normal / 3


def test_white_and_black_are_the_ends_of_oklab():
    lab = palette.to_oklab(np.array([[255, 255, 255], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(lab, [[1, 0, 0], [0, 0, 0]], atol=1e-3)


def planted(k, seed, n=4000):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0, 10, (k, 2))
    labels = rng.integers(0, k, n)
    return centers[labels] + rng.normal(scale=0.4, size=(n, 2)), labels


@pytest.mark.parametrize("k", [13, 40, 256])
@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_shares_its_colour_with_none_of_those_it_touches_most(k, seed):
    points, labels = planted(k, seed)
    weights = palette.contact(points, labels, k)
    colors = palette.assign(weights, np.bincount(labels, minlength=k))
    nearest = np.argsort(-weights, axis=1)[:, :3]
    assert (colors[nearest] != colors[:, None]).all()
    assert len(set(colors.tolist())) == 12


def test_neighbours_differ_more_than_colours_by_rank_would():
    points, labels = planted(60, 1)
    weights = palette.contact(points, labels, 60)
    sizes = np.bincount(labels, minlength=60)
    apart = palette.separation(palette.to_rgb(palette.CATEGORICAL["light"]))

    def clash(colors):
        return (weights * (weights > 0.1) * (apart[colors][:, colors] < 0.1)).sum()

    assert clash(palette.assign(weights, sizes)) < 0.35 * clash(np.arange(60) % 12)


def test_groups_that_a_legend_names_have_colours_of_their_own():
    points, labels = planted(50, 2)
    sizes = np.bincount(labels, minlength=50)
    colors = palette.assign(palette.contact(points, labels, 50), sizes, distinct=8)
    assert len(set(colors[np.argsort(-sizes, kind="stable")[:8]].tolist())) == 8


@pytest.mark.parametrize("k", [0, 1, 2, 12])
def test_few_groups_all_differ(k):
    points, labels = planted(max(k, 1), 3, n=500)
    labels = labels if k else np.full(500, -1)
    colors = palette.assign(
        palette.contact(points, labels, k), np.bincount(labels[labels >= 0], minlength=k)
    )
    assert len(colors) == len(set(colors.tolist())) == k


@pytest.mark.parametrize("k", [0, 1, 12, 13, 24])
def test_up_to_24_groups_have_colours_of_their_own_the_largest_those_of_twelve_hues(k):
    points, labels = planted(max(k, 1), 4, n=2000)
    labels = labels if k else np.full(2000, -1)
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    colors = palette.assign_all(palette.contact(points, labels, k), sizes)
    assert len(colors) == len(set(colors.tolist())) == k
    assert (colors[np.argsort(-sizes, kind="stable")[:12]] < 12).all() and (colors < 24).all()


def test_contact_is_symmetric_and_larger_for_groups_that_overlap():
    rng = np.random.default_rng(0)
    points = np.concatenate(
        [rng.normal(0, 0.3, (300, 2)), rng.normal(0.2, 0.3, (300, 2)), rng.normal(8, 0.3, (300, 2))]
    )
    weights = palette.contact(points, np.repeat([0, 1, 2], 300), 4)
    assert (weights == weights.T).all()
    assert (weights.diagonal() == 0).all()
    assert weights[0, 1] > 10 * weights[0, 2] > 0
    assert (weights[3] == 0).all()


@pytest.mark.parametrize(("theme", "direction"), [("light", -1), ("dark", 1)])
@pytest.mark.parametrize("vision", palette.VISIONS)
def test_the_scale_keeps_its_order_for_any_kind_of_vision(theme, direction, vision):
    lightness = palette.to_oklab(palette.scale(theme), vision)[:, 0]
    assert lightness.shape == (256,)
    steps = np.diff(lightness[::8]) * direction
    assert (steps > 0).all()
    # Equal steps look about equal.
    if vision == "normal":
        assert steps.max() < 1.5 * steps.min()


def test_few_groups_have_colours_that_differ_in_hue():
    assert palette.least_alike(12) == tuple(range(12))
    for count in (2, 3, 4, 5):
        some = list(palette.least_alike(count))
        rgb = palette.to_rgb([palette.CATEGORICAL["light"][one] for one in some])
        lab = palette.to_oklab(rgb)
        hue = np.sort(np.arctan2(lab[:, 2], lab[:, 1]))
        turns = np.diff(np.append(hue, hue[0] + 2 * np.pi))
        assert turns.min() > 0.9
        assert (palette.separation(rgb) + np.eye(count)).min() > 0.1
        chosen = palette.assign(np.zeros((count, count)), np.ones(count))
        assert sorted(chosen.tolist()) == some
