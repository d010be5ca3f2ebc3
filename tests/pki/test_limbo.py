"""Every limbo case: our verdict with its code, and the verdicts of two independent validators on the same bytes.

`cases.json` changes single fields of a good path. `openssl` and `hanko` say what the general-purpose validators make of it: `accept`
where only a rule of the SM-PKI is broken, `any` where they read the standard differently. `pinned` true or false: the gateway's rule.
"""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError
from tests.pki.limbo.limbo_builder import NOW, Built, build

from smgw.core.errors import CertificateRejected
from smgw.pki.chain import ByPinning, ByRevocationLists, CertificateUse, Standings, ValidatedCertificate, validate
from smgw.pki.crl import read_revocation_list
from smgw.pki.facts import read_facts
from smgw.pki.names import Role

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("limbo").joinpath("cases.json").read_text())
PARAMETERS = [pytest.param(case, id=case["id"]) for case in CASES]


def judge_ours(case: dict[str, Any], built: Built) -> ValidatedCertificate:
    standings: Standings
    if "pinned" in case:
        standings = ByPinning.of(built.leaf if case["pinned"] else built.anchors[0])
    else:
        lists = tuple(read_revocation_list(one.public_bytes(Encoding.DER)) for one in built.lists)
        signers = tuple(facts for facts in map(read_facts, built.intermediates) if facts.role is Role.CRL_SIGNER)
        standings = ByRevocationLists(lists, signers)
    return validate(
        built.leaf,
        intermediates=built.intermediates,
        anchors=built.anchors,
        standings=standings,
        now=NOW,
        use=CertificateUse(case.get("use", "tls-client")),
        roles=frozenset(Role(role) for role in case.get("roles", ["smgw"])),
    )


def test_ids_are_unique_and_every_case_says_why() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert all(case["why"] for case in CASES)


@pytest.mark.req("PKI-02")
@pytest.mark.parametrize("case", PARAMETERS)
def test_our_verdict(case: dict[str, Any]) -> None:
    built = build(case["set"])
    if case["expect"] == "ok":
        assert judge_ours(case, built).certificate == built.leaf
    else:
        with pytest.raises(CertificateRejected) as caught:
            judge_ours(case, built)
        assert caught.value.code == case["expect"], caught.value.detail


@pytest.mark.req("PKI-02")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed: apt-get install openssl")
@pytest.mark.parametrize("case", [one for one in PARAMETERS if one.values[0]["openssl"] != "any"])
def test_openssl_verdict(case: dict[str, Any], tmp_path: Path) -> None:
    built = build(case["set"])
    paths = {
        "leaf": [built.leaf],
        "anchors": built.anchors,
        "intermediates": built.intermediates,
        "lists": built.lists,
    }
    for name, items in paths.items():
        (tmp_path / name).write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in items))
    arguments = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-attime", str(int(NOW.timestamp()))]
    arguments += ["-no-CApath", "-no-CAstore", "-CAfile", "anchors", "-untrusted", "intermediates"]
    arguments += ["-CRLfile", "lists"] if built.lists else []
    result = subprocess.run([*arguments, "leaf"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ("accept" if result.returncode == 0 else "reject") == case["openssl"], result.stderr


@pytest.mark.req("PKI-02")
@pytest.mark.parametrize("case", [one for one in PARAMETERS if one.values[0]["hanko"] != "any"])
def test_second_validator_verdict(case: dict[str, Any]) -> None:
    built = build(case["set"])

    def load(certificate: x509.Certificate) -> Any:
        return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))

    context = ValidationContext(
        trust_roots=[load(one) for one in built.anchors],
        other_certs=[load(one) for one in built.intermediates],
        crls=[asn1_crl.CertificateList.load(one.public_bytes(Encoding.DER)) for one in built.lists],
        revocation_mode="require",
        allow_fetching=False,
        moment=NOW,
    )
    try:
        asyncio.run(CertificateValidator(load(built.leaf), validation_context=context).async_validate_path())
        verdict = "accept"
    except (PathError, ValidationError) as problem:
        verdict = f"reject: {problem}"
    assert verdict.startswith(case["hanko"]), verdict
