"""Text for pages: from data, which is shown as it is and never as markup, and of shares."""

import re

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+=!|~$:&\-.@/])")


def as_text(value: object) -> str:
    """Escape what Streamlit's Markdown would read as markup, a link, an image or a formula.

    Text from right to left is isolated: it must not turn what stands beside it.
    """
    line = " ".join(str(value).split())
    line = f"\u2068{line}\u2069" if _RIGHT_TO_LEFT.search(line) else line
    return _MARKUP.sub(r"\\\1", line)


def percent(value: float, digits: int = 0) -> str:
    """A share, given in percent, with so many digits: 100 only if it is all, 0 only if nothing."""
    value = round(value, 9)  # which sums of shares may miss by next to nothing
    if value in (0, 100):
        return f"{value:.0f}"
    inside = min(99.9, max(0.1, value))
    return f"{inside:.{digits if 1 <= inside <= 99 else 1}f}"
