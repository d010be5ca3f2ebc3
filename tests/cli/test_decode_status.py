import json

import pytest
from typer.testing import CliRunner, Result

from smgw.cli.decode import app

pytestmark = pytest.mark.req("MEAS-01")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["status", *arguments])


def facts(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("word", ["", "xyz", "0000000000000000"])
def test_what_is_no_status_word_ends_with_code_4(word: str) -> None:
    result = run(word)
    assert (result.exit_code, "value.status_word" in result.stdout) == (4, True)
    result = run(word, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (4, "value.status_word")


@pytest.mark.parametrize("word", ["a000000020000000", "0x0000000500000004", "21474836484", "A0000000 20000000"])
def test_every_form_of_an_unmarked_value_says_the_same(word: str) -> None:
    found = facts(word)
    assert (found["gateway"], found["meter"], found["ptb"]) == ("00000005", "00000004", 0)
    assert (found["bit_0_first"], found["bit_31_first"]) == ("a000000020000000", "0000000500000004")


def test_flags_are_named_in_both_languages() -> None:
    found = facts("0000010500100504")
    assert (found["ptb"], found["meter_kind"], found["written"]) == (4, "fnn", "bit 31 first")
    flags = found["flags"]
    assert isinstance(flags, list)
    assert {"word": "meter", "bit": 10, "name": "mechanical_tamper", "rank": 3}.items() <= flags[5].items()
    assert (flags[5]["en"], flags[5]["de"]) == ("mechanical manipulation (cover)", "mechanische Manipulation (Deckel)")


def test_the_layout_decides_what_bit_14_means() -> None:
    assert facts("e002000020000000")["ptb"] == 3
    assert facts("a004000020000000", "--layout", "v2.0")["ptb"] == 3
    old = facts("a004000020000000", "--layout", "fnn-old")
    assert (old["ptb"], old["ptb_by_layout"]) == (2, {"v2.0": 3, "fnn-old": 2})
    assert "2 temporary error, value usable, if it is of layout fnn-old" in run("a004000020000000").stdout


def test_the_older_layout_knows_no_wireless_meter() -> None:
    assert facts("0002000510000004")["meter_kind"] == "oms"
    old = facts("0002000510000004", "--layout", "fnn-old")
    assert (old["meter_kind"], old["ptb"]) == ("fnn", 0)


def test_one_word_alone_is_explained_alone() -> None:
    found = facts("20000000")
    assert (found["gateway"], found["meter"]) == (None, "00000004")
    assert {flag["word"] for flag in found["flags"]} == {"meter"}  # type: ignore[attr-defined]
    assert "gateway word  not in the text" in run("20000000").stdout
    assert facts("a0000000")["meter"] is None


def test_text_is_shown_in_the_chosen_language() -> None:
    assert "gateway    9  gateway time not valid  [PTB 3]" in run("a040000020000000").stdout
    german = run("a040000020000000", "--lang", "de").stdout
    assert "gateway    9  Systemzeit des Gateways ungültig  [PTB 3]" in german
    assert "wireless (OMS)" in run("a000400000000000").stdout
    assert "wired gas" in run("a000000010000000").stdout
