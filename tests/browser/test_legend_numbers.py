"""The numbers of the legend, however large or small: what its scripts say of them."""

import re

import pytest
from driver import ROOT

POINTMAP = ROOT / "assets" / "pointmap"


@pytest.fixture
def said(browser):
    """Call a function of a script with some arguments."""
    page = browser.new_page()

    def call(module, name, *args):
        script = (POINTMAP / f"{module}.js").read_text()
        parts = re.findall(
            rf"^const [A-Z].*?;|^(?:export )?function {name}.*?^}}", script, re.M | re.S
        )
        code = "\n".join(parts).replace("export ", "")
        return page.evaluate(
            "([code, name, args]) => new Function(`${code}; return ${name}`)()(...args)",
            [code, name, list(args)],
        )

    yield call
    page.close()


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "middle"),
    [
        (0.0, 10.0, False, 5.0),
        (-1.7e308, 1.7e308, False, 0.0),
        (1.0, 100.0, True, 10.0),
        (1e-300, 1e300, True, 1.0),
    ],
)
def test_a_level_has_a_finite_value(said, low, high, logarithmic, middle):
    legend = {"low": low, "high": high, "logarithmic": logarithmic}
    assert said("brush", "valueOf", 1, legend) == low
    assert said("brush", "valueOf", 255, legend) == high
    assert said("brush", "valueOf", 128, legend) == pytest.approx(middle, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.25, "0.25"), (1234.4, "1,234"), (-1.7e308, "-1.7e+308"), (5e-9, "5.0e-9")],
)
def test_a_number_is_said_in_few_characters(said, number, text):
    assert said("legend", "short", number) == text
