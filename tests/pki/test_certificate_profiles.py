"""The profile table itself."""

import pytest
from cryptography import x509

from smgw.pki.certificate_profiles import (
    AUTHORITY_PROFILES,
    CRL_LIFE,
    CRL_REISSUE,
    KINDS,
    Kind,
    Presence,
    key_usage,
    key_usage_names,
    profile_for,
)
from smgw.pki.names import END_ENTITY_ROLES, Role


@pytest.mark.req("PKI-01")
def test_every_role_has_a_profile() -> None:
    for role in Role:
        if role in END_ENTITY_ROLES:
            assert all(not profile_for(role, kind).is_authority for kind in KINDS)
        else:
            assert profile_for(role) is AUTHORITY_PROFILES[role]
    assert profile_for(Role.SMGW, Kind.TLS).subject_alt_name is Presence.FORBIDDEN
    assert profile_for(Role.EMT, Kind.TLS).subject_alt_name is Presence.MANDATORY


def test_only_authorities_have_a_key_period() -> None:
    assert all(profile_for(role, kind).key_days is None for role in END_ENTITY_ROLES for kind in KINDS)
    assert all(profile.key_days and profile.key_days < profile.validity_days for profile in AUTHORITY_PROFILES.values())


def test_lists_are_made_anew_well_before_they_end() -> None:
    assert all(life > CRL_REISSUE * 2 for life in CRL_LIFE.values())


@pytest.mark.parametrize("names", [frozenset({"digital_signature"}), frozenset({"key_agreement", "encipher_only"}), frozenset[str]()])
def test_usages_survive_their_extension(names: frozenset[str]) -> None:
    assert key_usage_names(key_usage(names)) == names
    assert isinstance(key_usage(names), x509.KeyUsage)
