"""Text from data inside Markdown: shown as it is, never as markup."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+=!|~$:&\-.@/])")


def as_text(value: object) -> str:
    """Escape what Streamlit's Markdown would read as markup, a link, an image or a formula."""
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split()))
