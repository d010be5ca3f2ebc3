"""The crypto policy table and its questions."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from smgw.core.errors import SecurityFault, UsageError
from smgw.security import policy
from smgw.security.policy import Use


@pytest.mark.parametrize(
    ("curve", "use", "year"),
    [
        ("secp256r1", Use.END_ENTITY, 2026),
        ("brainpoolP384r1", Use.END_ENTITY, 2025),
        ("brainpoolP256r1", Use.END_ENTITY, 2014),
        ("brainpoolP384r1", Use.ROOT, 2026),
        ("brainpoolP256r1", Use.SUB_CA, 2026),
        ("brainpoolP512r1", Use.ROOT, 2024),
        ("secp521r1", Use.HAN, 2026),
        ("", Use.HAN, 2026),
    ],
)
@pytest.mark.req("SEC-04")
def test_a_curve_outside_its_years_or_uses_is_refused(curve: str, use: Use, year: int) -> None:
    with pytest.raises(SecurityFault) as caught:
        policy.require_curve(curve, use, year)
    assert caught.value.code == "pki.curve"


@pytest.mark.parametrize(
    ("use", "year", "curve"),
    [
        (Use.ROOT, 2024, "brainpoolP384r1"),
        (Use.ROOT, 2025, "brainpoolP512r1"),
        (Use.ROOT, 2035, "brainpoolP512r1"),
        (Use.SUB_CA, 2024, "brainpoolP256r1"),
        (Use.SUB_CA, 2026, "brainpoolP384r1"),
        (Use.END_ENTITY, 2026, "brainpoolP256r1"),
        (Use.HAN, 2026, "secp384r1"),
        (Use.LMN, 2026, "brainpoolP256r1"),
    ],
)
@pytest.mark.req("SEC-04")
def test_the_curve_changes_with_the_year_and_not_with_code(use: Use, year: int, curve: str) -> None:
    assert policy.preferred_curve(use, year) == curve
    policy.require_curve(curve, use, year)


@pytest.mark.req("SEC-04")
def test_the_switch_of_algorithms_is_a_change_of_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    old = (Use.END_ENTITY, "brainpoolP256r1")
    ended = tuple(rule._replace(last_year=2027) if rule[:2] == old else rule for rule in policy.CURVE_RULES)
    monkeypatch.setattr(policy, "CURVE_RULES", ended)
    assert [policy.preferred_curve(Use.END_ENTITY, year) for year in (2027, 2028)] == ["brainpoolP256r1", "brainpoolP384r1"]
    policy.require_curve("brainpoolP384r1", Use.END_ENTITY, 2027)
    with pytest.raises(SecurityFault, match=r"pki\.curve"):
        policy.require_curve("brainpoolP256r1", Use.END_ENTITY, 2028)


def test_no_curve_is_preferred_before_the_table_starts() -> None:
    with pytest.raises(UsageError):
        policy.preferred_curve(Use.ROOT, 2014)


def test_only_the_five_curves_have_names() -> None:
    for name in policy.CURVES:
        assert policy.curve_name(ec.generate_private_key(policy.curve_named(name)).public_key()) == name
    with pytest.raises(UsageError):
        policy.curve_named("secp521r1")
    with pytest.raises(SecurityFault):
        policy.curve_name(ec.generate_private_key(ec.SECP521R1()).public_key())


def test_the_hash_goes_with_the_signing_curve() -> None:
    key = ec.generate_private_key(ec.BrainpoolP384R1()).public_key()
    policy.require_signature_hash(hashes.SHA384(), key)
    for wrong in (hashes.SHA256(), hashes.SHA512(), hashes.SHA1(), None):
        with pytest.raises(SecurityFault) as caught:
            policy.require_signature_hash(wrong, key)
        assert caught.value.code == "pki.hash"
    assert policy.signature_hash("brainpoolP512r1").name == "sha512"
    with pytest.raises(UsageError):
        policy.signature_hash("x")


def test_a_digest_is_told_by_its_length() -> None:
    assert [policy.digest_hash(bytes(size)).name for size in (32, 48, 64)] == ["sha256", "sha384", "sha512"]
    for size in (0, 20, 28, 31, 65):
        with pytest.raises(UsageError) as caught:
            policy.digest_hash(bytes(size))
        assert caught.value.code == "module.digest"


def test_every_rule_names_a_known_curve_and_sensible_years() -> None:
    for rule in policy.CURVE_RULES:
        assert rule.curve in policy.CURVES
        assert rule.last_year is None or rule.first_year <= rule.last_year
    assert {rule.use for rule in policy.CURVE_RULES} == set(Use)
