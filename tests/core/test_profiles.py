"""Profiles on the wire: read back as written, and nothing unknown is let in."""

from typing import Any

import msgspec
import pytest
from tests.gateway.gateway_parts import all_profiles

from smgw.core.profiles import PROFILE_KINDS, MeterProfile, Profile, profile_key


def kind_of(profile: Profile) -> type[Any]:
    return next(kind for kind in PROFILE_KINDS.values() if isinstance(profile, kind))


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize("profile", all_profiles(), ids=lambda profile: type(profile).__name__)
def test_a_profile_is_read_back_as_it_was_written(profile: Profile) -> None:
    assert msgspec.json.decode(msgspec.json.encode(profile), type=kind_of(profile)) == profile


@pytest.mark.req("ADM-02")
@pytest.mark.parametrize("profile", all_profiles(), ids=lambda profile: type(profile).__name__)
def test_an_unknown_field_is_refused(profile: Profile) -> None:
    fields = {**msgspec.to_builtins(profile), "colour": "red"}
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(msgspec.json.encode(fields), type=kind_of(profile))


def test_each_kind_has_a_key_of_its_own() -> None:
    assert [profile_key(profile) for profile in all_profiles()] == ["emt1.sm", "1SGW0010000001", "consumer1.sm", "taf7-1.sm"]


def test_a_register_names_its_code() -> None:
    profile = next(profile for profile in all_profiles() if isinstance(profile, MeterProfile))
    assert [str(register.code) for register in profile.registers] == ["1-0:1.8.0*255", "1-0:2.8.0*255"]
