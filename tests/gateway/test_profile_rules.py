"""What a profile must meet: each broken rule is refused with the name of its field."""

from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import START, all_profiles, communication_profile, consumer_profile, evaluation_profile, meter_profile

from smgw.core.errors import SmgwError
from smgw.core.profiles import PROFILE_KINDS, Profile, RegisterProfile
from smgw.gateway.profile_rules import MAX_PROFILES, check_profile

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
    ],
)
def test_a_broken_rule_is_refused_with_its_field(profile: Profile, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(SmgwError, match=field):
        check_profile(msgspec.structs.replace(profile, **changes), INSTALLED, START)


def test_the_number_of_profiles_is_bounded() -> None:
    crowd = {**INSTALLED, "meter": [meter_profile()] * MAX_PROFILES}
    with pytest.raises(SmgwError, match="too many"):
        check_profile(meter_profile(), crowd, START)
