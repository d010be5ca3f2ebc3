"""Profile files: one struct a use case; what is not known is refused and named."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariff.series import local

from smgw.core.errors import ConfigError, SmgwError
from smgw.tariff.profile_file import MAX_OCTETS, PROFILES, Taf02Profile, Taf05Profile, Taf12Profile, read_profile

HEAD = """name = "taf-1.sm"
registers = ["1-0:1.8.0*255"]
start = 2026-01-01
end = 2027-01-01
"""
BANDS = "[rules]\nthresholds = [500]\nstages = [1, 2]\n"


def _taf(number: int, more: str = "", head: str = HEAD) -> bytes:
    return f"tariff_use_case = {number}\n{head}{more}".encode()


@pytest.mark.parametrize(
    ("data", "code", "named"),
    [
        (b"", "tariff.profile", "tariff_use_case"),
        (b"\xff", "tariff.profile", ""),
        (b"a = ?\n", "tariff.profile", "line 1"),
        (b"a = " + b"[" * 100_000, "tariff.profile", ""),
        (bytes(MAX_OCTETS + 1), "tariff.profile", "octets"),
        (_taf(15), "tariff.profile", "tariff_use_case"),
        (HEAD.encode(), "tariff.profile", "tariff_use_case"),
        (_taf(1, "tarif = 2\n"), "tariff.profile", "tarif"),
        (_taf(3), "tariff.profile", "rules"),
        (_taf(3, BANDS + "hysteresis = 5\n"), "tariff.profile", "hysteresis"),
        (_taf(3, BANDS.replace("[500]", '["500"]')), "tariff.profile", "thresholds"),
        (_taf(3, BANDS.replace("[500]", "[499.5]")), "tariff.profile", "thresholds"),
        (_taf(3, BANDS.replace("[500]", "[500, 400]")), "tariff.bands", ""),
        (_taf(1, head=HEAD.replace("2026-01-01", "2026-01-01T00:00:00Z")), "tariff.profile", "start"),
        (_taf(1, head=HEAD.replace("2027", "2025")), "tariff.period", "2025"),
        (_taf(1, head=HEAD.replace("taf-1.sm", "TAF 1")), "tariff.profile", "name"),
        (_taf(1, head=HEAD.replace("1-0:1.8.0*255", "1.8.0")), "value.obis", "1.8.0"),
        (_taf(1, head=HEAD.replace('["1-0:1.8.0*255"]', "[]")), "tariff.registers", "0"),
        (_taf(1, head=HEAD.replace('["1-0:1.8.0*255"]', '["1-0:1.8.0*255", "1-0:1.8.0"]')), "tariff.registers", "2"),
        (_taf(12, "[rules]\nwarning = 1\n", HEAD.replace('"]', '", "1-0:2.8.0*255"]')), "tariff.registers", "TAF 12"),
        (_taf(13, 'source = 2\nrecipient = "p.sm"\n'), "tariff.profile", "rules"),
        (_taf(13, 'source = 3\nrecipient = "p.sm"\n'), "tariff.profile", "source"),
        (_taf(2, '[rules]\nstages = [1]\ndays = { a = { "00:00" = 1 } }\nspecial = { 2026-02-30 = "a" }\n'), "tariff.profile", "date"),
        (_taf(5, '[rules]\nstages = [1]\nevents = { a = 1 }\n[[events]]\nname = "a"\nat = 2026-01-01T00:00:00\n'), "tariff.profile", "at"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_named(data: bytes, code: str, named: str) -> None:
    with pytest.raises(SmgwError) as caught:
        read_profile(data)
    assert caught.value.code == code
    assert named in caught.value.detail


def test_a_calendar_of_all_kinds_of_days() -> None:
    rules = """[rules]
stages = [1, 2]
week = ["work", "work", "work", "work", "work", "rest", "rest"]
yearly = { "12-25" = "rest" }
special = { 2026-04-03 = "rest" }
[rules.days]
work = { "06:00" = 2, "21:00" = 1 }
rest = { "00:00" = 1 }
"""
    profile = read_profile(_taf(2, rules))
    assert isinstance(profile, Taf02Profile)
    calendar = profile.rules.calendar()
    names = [calendar.profile_name(day) for day in (date(2026, 4, 2), date(2026, 4, 3), date(2026, 12, 25), date(2026, 4, 4))]
    assert names == ["work", "rest", "rest", "rest"]
    assert (profile.number, profile.start_time, profile.end_time) == (2, local(2026, 1, 1), local(2027, 1, 1))


def test_inputs_beside_the_readings() -> None:
    profile = read_profile(_taf(5, '[rules]\nstages = [1]\nevents = { a = 1 }\n[[events]]\nname = "a"\nat = 2026-01-02T00:00:00+01:00\n'))
    assert isinstance(profile, Taf05Profile)
    assert [(event.name, event.at, event.received) for event in profile.events] == [("a", local(2026, 1, 2), local(2026, 1, 2))]
    credit = '[rules]\nwarning = 1\n[[credits]]\ncredit_id = "1"\nat = 2026-01-02T00:00:00+01:00\namount = 5\n'
    prepaid = read_profile(_taf(12, credit))
    assert isinstance(prepaid, Taf12Profile)
    assert [credit.amount for credit in prepaid.credits] == [5]


@pytest.mark.req("TAF-23")
def test_a_profile_file_becomes_an_evaluation_profile() -> None:
    held = read_profile(_taf(1, "billing_months = 12\n")).evaluation_profile("1SGW0010000001", billing_months=12)
    assert (held.profile_id, held.taf, held.meter_id, held.billing_months) == ("taf-1.sm", 1, "1SGW0010000001", 12)
    assert (held.valid_from, held.valid_to) == (local(2026, 1, 1), local(2027, 1, 1))


def test_each_use_case_has_a_struct() -> None:
    assert [struct.__struct_config__.tag for struct in PROFILES] == list(range(1, 15))


@given(st.binary(max_size=200))
def test_any_octets_are_refused_by_a_named_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        read_profile(data)


@given(st.integers(0, len(_taf(3, BANDS)) - 1), st.integers(0, 255))
def test_any_changed_octet_gives_a_profile_or_a_named_error(place: int, octet: int) -> None:
    data = bytearray(_taf(3, BANDS))
    data[place] = octet
    try:
        read_profile(bytes(data))
    except SmgwError as problem:
        assert problem.code.startswith(("tariff.", "value."))
