"""What the pages of all roles share: the names of colours, sizes and fonts."""

from functools import cache
from importlib import resources


@cache
def tokens_css() -> bytes:
    """Give the style sheet that defines the custom properties."""
    return resources.files(__name__).joinpath("tokens.css").read_bytes()
