"""Text for pages: from data, which is shown as it is and never as markup, and of shares."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+=!|~$:&\-.@/])")


def as_text(value: object) -> str:
    """Escape what Streamlit's Markdown would read as markup, a link, an image or a formula."""
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split()))


def percent(value: float, digits: int = 0) -> str:
    """A share, given in percent, with so many digits: 100 only if it is all, 0 only if nothing."""
    if value in (0, 100):
        return f"{value:.0f}"
    inside = min(99.9, max(0.1, value))
    return f"{inside:.{digits if 1 <= inside <= 99 else 1}f}"
