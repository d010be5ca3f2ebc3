import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.codec.csv_cells import csv_line, guarded

pytestmark = pytest.mark.req("CON-04")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "=cmd|' /C calc'!A0", "+SUM(A1)", "-A1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "--5", "-", "+", "1-=", "-1e5"],
)
def test_nothing_can_become_a_formula(text: str) -> None:
    shown = guarded(text)
    assert shown == (text if text == "1-=" else f"'{text}")


@pytest.mark.parametrize("text", ["", "-5", "+5", "-5.25", "0", "EBSI0012345678", "a=b", "Zähler 1", "2026-11-21T00:15:00Z", "'x"])
def test_plain_cells_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=6))
def test_every_line_reads_back_and_starts_no_formula(cells: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_line(cells), newline=""))
    assert row == [guarded(cell) for cell in cells]
    assert all(cell.lstrip(" ")[:1] not in "=@\t\r\n＝＋－＠" or not cell.strip(" ") for cell in row)


@pytest.mark.parametrize("cells", [["\r"], ["a\rb", ""], ["\n"], ["a\r\nb", "c"], [""]])
def test_ends_of_lines_within_a_cell_stay_in_it(cells: list[str]) -> None:
    assert list(csv.reader(io.StringIO(csv_line(cells), newline=""))) == [[guarded(cell) for cell in cells]]


def test_missing_and_quoted_cells() -> None:
    assert csv_line(["a,b", None, 'say "x"', -5]) == '"a,b",,"say ""x""",-5\n'
