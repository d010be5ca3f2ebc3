"""Lines of comma-separated values that a spreadsheet shows as they are: no text of ours ever becomes a formula there.

Source: CON-04; LOG-02.
"""

import csv
import io
import re
from collections.abc import Iterable

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_STARTERS = frozenset("=+-@\t\r\n＝＋－＠")


def guarded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; plain numbers stay numbers."""
    first = text.lstrip(" ")[:1]
    return f"'{text}" if first in _STARTERS and first and _NUMBER.fullmatch(text) is None else text


def csv_line(cells: Iterable[object]) -> str:
    """Write one line, closed by a line feed; None is an empty cell."""
    out = io.StringIO()
    # The writer quotes what belongs to its line end: a lone carriage return must be quoted, or readers take it for the end of the line.
    csv.writer(out, lineterminator="\r\n").writerow("" if cell is None else guarded(str(cell)) for cell in cells)
    return out.getvalue()[:-2] + "\n"
