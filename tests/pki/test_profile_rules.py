"""What a profile must meet: each broken rule is refused with the name of its field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import (
    START,
    administrator_identity,
    all_profiles,
    communication_profile,
    consumer_profile,
    evaluation_profile,
    meter_profile,
)

from smgw.core.errors import DomainFault, SmgwError
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile, Profile, RegisterProfile
from smgw.pki.profile_rules import MAX_PROFILES, check_profile
from smgw.simulation.provisioning import hex_der

INSTALLED: dict[str, list[Profile]] = {
    name: [profile for profile in all_profiles() if isinstance(profile, kind)] for name, kind in PROFILE_KINDS.items()
}


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize("profile", all_profiles(), ids=lambda profile: type(profile).__name__)
def test_good_profiles_pass(profile: Profile) -> None:
    check_profile(profile, INSTALLED, START)


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize(
    ("profile", "changes", "field"),
    [
        (meter_profile(), {"meter_id": ""}, "meter_id"),
        (meter_profile(), {"server_id": "XYZ"}, "server_id"),
        (meter_profile(), {"server_id": "0A01"}, "server_id"),
        (meter_profile(), {"meter_id": "another"}, "server_id: taken"),
        (meter_profile(), {"registers": ()}, "registers"),
        (meter_profile(), {"registers": (RegisterProfile("1-0:1.8.0"), RegisterProfile("1-0:1.8.0*255"))}, "one OBIS code twice"),
        (meter_profile(), {"registers": (RegisterProfile("1.8.0"),)}, "value.obis"),
        (meter_profile(), {"registers": (RegisterProfile("1-0:1.8.0", shown_scaler=20),)}, "shown_scaler"),
        (meter_profile(), {"period_s": 7}, "period_s"),
        (meter_profile(), {"period_s": 86_400}, "period_s"),
        (meter_profile(), {"transformer_factor": 0}, "transformer_factor"),
        (meter_profile(), {"version": 0}, "version"),
        (communication_profile(), {"partner_id": "EMT 1"}, "partner_id"),
        (communication_profile(), {"port": 0}, "port"),
        (communication_profile(), {"enc_certificate": "zz"}, "enc_certificate"),
        (evaluation_profile(), {"profile_id": ""}, "profile_id"),
        (evaluation_profile(), {"taf": 15}, "taf"),
        (evaluation_profile(), {"meter_id": "nobody"}, "meter_id"),
        (evaluation_profile(), {"registers": ("1-0:15.7.0*255",)}, "registers"),
        (evaluation_profile(), {"registers": ()}, "registers"),
        (evaluation_profile(), {"period_s": 60}, "period_s"),
        (evaluation_profile(), {"consumer_id": "nobody.sm"}, "consumer_id"),
        (evaluation_profile(), {"recipients": ("nobody.sm",)}, "recipients"),
        (evaluation_profile(), {"billing_months": 5}, "billing_months"),
        (evaluation_profile(), {"valid_to": START}, "valid_to"),
        (evaluation_profile(), {"valid_from": START.replace(tzinfo=None)}, "valid_from"),
        (consumer_profile(), {"consumer_id": "Consumer"}, "consumer_id"),
        (consumer_profile(), {"user_name": ""}, "user_name"),
        (consumer_profile(), {"digest_md5": "0"}, "digest_md5"),
        (consumer_profile(), {"digest_sha256": "g" * 64}, "digest_sha256"),
        (consumer_profile("consumer2.sm"), {}, "user_name: taken"),
        (meter_profile(), {"meter_id": "1SGW\0"}, "meter_id"),
        (meter_profile(), {"link": ""}, "link"),
        (meter_profile(), {"registers": (RegisterProfile("1-0:1.8.0", unit=256),)}, "registers: unit"),
        (meter_profile(), {"transformer_factor": 1 << 70}, "transformer_factor"),
        (meter_profile(), {"version": 1 << 63}, "version"),
        (communication_profile(), {"host": "a\nb"}, "host"),
        (communication_profile(), {"enc_certificate": "3000"}, "enc_certificate"),
        (communication_profile(), {"tls_certificate": communication_profile().sig_certificate}, "tls_certificate"),
        (communication_profile(), {"sig_certificate": hex_der(administrator_identity().triple.sig)}, "sig_certificate"),
        (evaluation_profile(), {"valid_from": datetime(1, 1, 1, tzinfo=UTC)}, "valid_from"),
        (evaluation_profile(), {"valid_to": datetime(9999, 12, 31, tzinfo=UTC)}, "valid_to"),
        (evaluation_profile(), {"usage_point_name": "\x00"}, "usage_point_name"),
        (evaluation_profile(), {"metering_point_id": "DE\ud800"}, "metering_point_id"),
        (evaluation_profile(), {"registers": ("1-0:1.8.0*255", "1-0:1.8.0")}, "registers"),
        (consumer_profile(), {"user_name": "a:b"}, "user_name"),
        (consumer_profile(), {"certificate_fingerprints": ("00",)}, "certificate_fingerprints"),
    ],
)
def test_a_broken_rule_is_refused_with_its_field(profile: Profile, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(SmgwError, match=field):
        check_profile(msgspec.structs.replace(profile, **changes), INSTALLED, START)


MONTH, HOUR = timedelta(days=30), timedelta(hours=1)
IMPORT, EXPORT = ("1-0:1.8.0*255",), ("1-0:2.8.0*255",)


def judge(profile: EvaluationProfile, *held: EvaluationProfile, now: datetime = START) -> str:
    """Give the code of the refusal of a contract beside others, or nothing."""
    consumers: list[Profile] = [consumer_profile(), consumer_profile("consumer2.sm", "other")]
    try:
        check_profile(profile, {**INSTALLED, "consumer": consumers, "evaluation": list(held)}, now)
    except DomainFault as fault:
        return fault.code
    return ""


@pytest.mark.req("CON-03", "TAF-23")
@pytest.mark.parametrize("taf", [1, 6, 7, 11])
@pytest.mark.parametrize("other", [1, 6, 7, 11])
def test_a_register_is_one_consumers_at_a_time(taf: int, other: int) -> None:
    theirs = evaluation_profile(other, profile_id="theirs.sm", consumer_id="consumer2.sm", valid_from=START - MONTH, registers=IMPORT)
    ours = evaluation_profile(taf, registers=IMPORT, valid_from=START)
    assert judge(ours, theirs) == "tariff.profile_overlap"
    assert judge(ours, msgspec.structs.replace(theirs, valid_to=START + HOUR)) == "tariff.profile_overlap"
    assert judge(ours, msgspec.structs.replace(theirs, valid_from=START + MONTH)) == "tariff.profile_overlap"
    assert judge(ours, msgspec.structs.replace(theirs, valid_to=START)) == ""
    assert judge(msgspec.structs.replace(ours, valid_to=START + MONTH), msgspec.structs.replace(theirs, valid_from=START + MONTH)) == ""
    assert judge(msgspec.structs.replace(ours, registers=EXPORT), theirs) == ""
    assert judge(ours, msgspec.structs.replace(theirs, meter_id="another")) == ""


@pytest.mark.req("CON-03", "TAF-24")
def test_a_contract_can_not_grow_back_into_the_time_of_another_consumer() -> None:
    """Who moved out stays out, and who moves in can't be dated back."""
    old = evaluation_profile(7, valid_from=START - MONTH, valid_to=START)
    new = evaluation_profile(7, profile_id="new.sm", consumer_id="consumer2.sm", valid_from=START)
    assert judge(msgspec.structs.replace(old, valid_to=None, version=2), old, new) == "tariff.profile_overlap"
    assert judge(msgspec.structs.replace(new, valid_from=START - HOUR), old) == "tariff.profile_overlap"
    assert judge(new, old, now=START + HOUR) == ""


@pytest.mark.req("TAF-01", "TAF-20")
def test_one_register_is_priced_once_by_a_use_case_though_read_by_many() -> None:
    held = evaluation_profile(1, profile_id="first.sm", registers=IMPORT)
    assert judge(evaluation_profile(1, registers=IMPORT), held) == "tariff.profile_overlap"
    assert judge(evaluation_profile(1, registers=EXPORT), held) == ""
    assert judge(evaluation_profile(7), held, evaluation_profile(7, profile_id="first7.sm")) == ""


@pytest.mark.req("TAF-24")
@pytest.mark.parametrize("taf", [1, 6, 7, 11])
def test_a_contract_that_is_over_before_it_arrives_is_refused(taf: int) -> None:
    late = evaluation_profile(taf, registers=IMPORT, valid_from=START - MONTH, valid_to=START)
    assert judge(late) == "tariff.profile_past"
    assert judge(msgspec.structs.replace(late, valid_to=START + HOUR)) == ""
    # A running contract may be told late that it has ended.
    assert judge(msgspec.structs.replace(late, version=2), msgspec.structs.replace(late, valid_to=None)) == ""
    assert judge(msgspec.structs.replace(late, version=2), msgspec.structs.replace(late, valid_to=None), now=START + HOUR) == ""


@pytest.mark.req("TAF-24")
@pytest.mark.parametrize("taf", [1, 6, 7, 11])
@pytest.mark.parametrize(
    "change", [{"registers": EXPORT}, {"billing_months": 3}, {"valid_from": START - HOUR}], ids=["registers", "billing months", "start"]
)
def test_what_was_evaluated_is_not_changed_by_a_later_version(taf: int, change: dict[str, Any]) -> None:
    held = evaluation_profile(taf, registers=IMPORT, valid_from=START - MONTH)
    later = msgspec.structs.replace(held, **change, version=2)
    assert judge(later, held) == "tariff.profile_past"
    begins = msgspec.structs.replace(later, valid_from=START + HOUR)
    # The version before goes on until then, and ends there.
    assert judge(begins, held) == ""
    assert judge(begins, msgspec.structs.replace(held, valid_to=START + HOUR)) == ""


@pytest.mark.req("TAF-30")
def test_where_results_go_may_change_at_once() -> None:
    held = evaluation_profile(7, valid_from=START - MONTH)
    assert judge(msgspec.structs.replace(held, recipients=(), delivery="daily", usage_point_name="OTHER", version=2), held) == ""


@pytest.mark.req("TAF-01")
def test_a_contract_of_taf_1_prices_at_most_three_registers() -> None:
    codes = tuple(f"1-0:1.8.{tariff}*255" for tariff in range(4))
    meter = meter_profile()
    meter = msgspec.structs.replace(meter, registers=tuple(RegisterProfile(code) for code in codes))
    installed = {**INSTALLED, "meter": [meter]}
    check_profile(evaluation_profile(1, "billing", registers=codes[:3]), installed, START)
    with pytest.raises(DomainFault, match="registers"):
        check_profile(evaluation_profile(1, "billing", registers=codes), installed, START)


def test_the_number_of_profiles_is_bounded() -> None:
    crowd = {**INSTALLED, "meter": [meter_profile()] * MAX_PROFILES}
    with pytest.raises(SmgwError, match="too many"):
        check_profile(meter_profile(), crowd, START)
