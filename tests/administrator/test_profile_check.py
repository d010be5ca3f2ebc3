"""A profile that does not fit is refused with a sentence that names the field."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import (
    METER_ID,
    START,
    all_profiles,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    meter_profile,
)

from smgw.administrator.profile_check import check_profile, held_profiles, read_profile
from smgw.core.errors import DomainFault
from smgw.core.profiles import PROFILE_KINDS, Profile, profile_key

pytestmark = pytest.mark.req("ADM-02")


def kind_of(profile: Profile) -> str:
    return next(name for name, kind in PROFILE_KINDS.items() if isinstance(profile, kind))


HELD = held_profiles([(kind_of(profile), profile) for profile in all_profiles()])


@pytest.mark.parametrize("profile", all_profiles(), ids=kind_of)
def test_what_fits_is_taken(profile: Profile) -> None:
    body = msgspec.json.decode(msgspec.json.encode(profile))
    assert read_profile(kind_of(profile), body) == profile
    check_profile(profile, HELD, START)


@pytest.mark.parametrize(
    ("profile", "changes", "words"),
    [
        (meter_profile(), {"version": 0}, "version"),
        (meter_profile(), {"version": 1 << 31}, "version"),
        (meter_profile(), {"meter_id": ""}, "meter_id"),
        (meter_profile(), {"registers": []}, "at least one"),
        (meter_profile(), {"registers": [{"obis": "energy"}]}, "is no OBIS code"),
        (meter_profile(), {"registers": [{"obis": "1-0:1.8.0*255"}, {"obis": "1-0:1.8.0*255"}]}, "twice"),
        (meter_profile(), {"meter_id": "another"}, f"taken by meter {METER_ID}"),
        (communication_profile(), {"partner_id": "emt 1"}, "emt1.sm"),
        (communication_profile(), {"port": 0}, "1 to 65535"),
        (communication_profile(), {"host": ""}, "host"),
        (communication_profile(), {"sig_certificate": "xx"}, "sig_certificate"),
        (communication_profile(), {"tls_certificate": "00"}, "tls_certificate"),
        (evaluation_profile(), {"profile_id": "no name"}, "taf7-1.sm"),
        (evaluation_profile(), {"taf": 15}, "1 to 14"),
        (evaluation_profile(), {"meter_id": "other"}, "no profile of meter other"),
        (evaluation_profile(), {"registers": ["1-0:99.0.0*255"]}, "1-0:99.0.0*255"),
        (evaluation_profile(), {"consumer_id": "other.sm"}, "no profile of other.sm"),
        (evaluation_profile(), {"recipients": ["other.sm"]}, "other.sm"),
        (evaluation_profile(), {"valid_from": "2026-01-01T00:00:00"}, "zone"),
        (evaluation_profile(), {"valid_to": "2025-01-01T00:00:00Z"}, "before valid_from"),
        (consumer_profile(), {"user_name": "a:b"}, "colon"),
        (consumer_profile(), {"consumer_id": "x y"}, "consumer1.sm"),
        (meter_profile(), {"server_id": "zz"}, "server_id: lower-case hex"),
        (meter_profile(), {"period_s": 901}, "900, 1800, 3600"),
        (meter_profile(), {"link": ""}, "the line that the meter is connected to"),
        (meter_profile(), {"registers": [{"obis": "1-0:1.8.0*255", "unit": 0}]}, "30 for Wh"),
        (meter_profile(), {"transformer_factor": 0}, "1 to 1000000"),
        (communication_profile(), {"host": "a b"}, "host: a name or an address"),
        (
            communication_profile(),
            {"tls_certificate": communication_profile().sig_certificate},
            "tls_certificate: a market participant's TLS",
        ),
        (communication_profile(), {"through": "emt7.sm"}, "reached directly"),
        (communication_profile(), {"notices": ["weather"]}, "notices"),
        (evaluation_profile(), {"registers": []}, "at least one"),
        (evaluation_profile(), {"period_s": 60}, "the meter's is 900"),
        (evaluation_profile(), {"billing_months": 5}, "1, 2, 3, 6 or 12"),
        (consumer_profile(), {"digest_md5": "xx"}, "32 hex digits"),
        (consumer_profile(), {"certificate_fingerprints": ["zz"]}, "64 hex digits"),
        (consumer_profile("consumer2.sm"), {}, "taken by another consumer"),
    ],
)
def test_what_does_not_fit_is_named(profile: Profile, changes: dict[str, Any], words: str) -> None:
    body = {**msgspec.to_builtins(profile), **changes}
    with pytest.raises(DomainFault, match=r"command\.profile") as fault:
        check_profile(read_profile(kind_of(profile), body), HELD, START)
    assert words in fault.value.detail


@pytest.mark.req("TAF-02", "TAF-24")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"taf": 7, "rules": {"stages": [1]}}, "tariff.profile"),
        ({"taf": 2, "rules": {"stages": [1, 2]}}, "tariff.profile"),
        ({"valid_from": "2020-01-01T00:00:00Z", "valid_to": "2020-02-01T00:00:00Z", "profile_id": "old.sm"}, "tariff.profile_past"),
    ],
)
def test_the_rules_of_a_contract_are_checked_before_it_is_sent(changes: dict[str, Any], code: str) -> None:
    body = {**msgspec.to_builtins(evaluation_profile()), **changes}
    with pytest.raises(DomainFault) as fault:
        check_profile(read_profile("evaluation", body), HELD, START)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("tariff", {}, "there is no kind"),
        ("meter", {}, "missing required field"),
        ("meter", {**msgspec.to_builtins(meter_profile()), "colour": 1}, "colour"),
        ("meter", {**msgspec.to_builtins(meter_profile()), "period_s": "900"}, "period_s"),
        ("meter", [], "object"),
        ("meter", None, "object"),
        ("evaluation", {**msgspec.to_builtins(evaluation_profile()), "valid_from": "yesterday"}, "valid_from"),
    ],
)
def test_what_has_another_form_is_named(kind: str, body: Any, words: str) -> None:
    with pytest.raises(DomainFault, match=r"command\.profile") as fault:
        read_profile(kind, body)
    assert words in fault.value.detail


def test_a_profile_stays_itself_through_its_text() -> None:
    profile = evaluation_profile(valid_to=datetime(2027, 1, 1, tzinfo=UTC))
    again = read_profile("evaluation", msgspec.to_builtins(profile))
    assert (again, profile_key(again)) == (profile, profile.profile_id)
