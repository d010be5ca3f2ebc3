"""Content protection: creating and opening 2 KB beside the sum of the curve arithmetic that it can't do without.

Promise: at least 60 % of that limit on P-256 and 90 % on brainpoolP256r1. The limit of creating is one key generation, one
ECDH and one signature; that of opening one verification and one ECDH, all with keys that are loaded already. Ours includes
the software module, hashes, ciphers, the message format and, when opening, the reading of the sender's fresh key; the
check of the certificate's path is not included. Promised shares are of the default suite with the certificate travelling along.
"""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.result import BenchResult
from smgw.codec.cms.algorithms import CURVES, DIGESTS
from smgw.security.content import Credential, open_content, seal
from smgw.security.software import SoftwareModule

CONTENT_OCTETS = 2048
ROUNDS = 5
SAMPLE_SECONDS = 0.03
SAMPLES_A_ROUND = 8
VARIANTS = 32
NAMES = {"secp256r1": "p256", "brainpoolP256r1": "bp256"}
PROMISED = {"p256_create_of_limit": 0.6, "p256_open_of_limit": 0.6, "bp256_create_of_limit": 0.9, "bp256_open_of_limit": 0.9}

_ECDSA = DIGESTS["sha256"].ecdsa_prehashed
_ECDH = ec.ECDH()


class _Work(NamedTuple):
    """Hold the calls that are measured, on one curve."""

    keygen: Callable[[], object]
    ecdh: Callable[[], object]
    sign: Callable[[], object]
    verify: Callable[[], object]
    create: Callable[[], object]
    open: Callable[[], object]


def run() -> BenchResult:
    """Measure primitives and messages in turns; thread CPU time, each rate the median of the rounds, each ratio too."""
    rates: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for curve, name in NAMES.items():
        with TemporaryDirectory() as folder:
            work = _work(curve, SoftwareModule.create(Path(folder) / "keys", b"a secret of the benchmark"))
            samples = [_round(work) for _ in range(ROUNDS)]
        for call in _Work._fields:
            rates[f"{name}_{call}_per_s"] = 1 / statistics.median(getattr(seconds, call) for seconds in samples)
        limits = [(s.keygen + s.ecdh + s.sign, s.verify + s.ecdh) for s in samples]
        rates[f"{name}_create_limit_per_s"] = 1 / statistics.median(limit for limit, _ in limits)
        rates[f"{name}_open_limit_per_s"] = 1 / statistics.median(limit for _, limit in limits)
        ratios[f"{name}_create_of_limit"] = statistics.median(limit / s.create for (limit, _), s in zip(limits, samples, strict=True))
        ratios[f"{name}_open_of_limit"] = statistics.median(limit / s.open for (_, limit), s in zip(limits, samples, strict=True))
    missed = [f"{name} {ratios[name]:.3f} < {least:g}" for name, least in PROMISED.items() if ratios[name] < least]
    notes = [
        f"{CONTENT_OCTETS} octets of content, AES-128-GCM, ECKA-EG; CPU time of one thread, median of {ROUNDS} rounds",
        "promises missed: " + ", ".join(missed) if missed else "promises kept: 60 % of the limit on P-256, 90 % on brainpoolP256r1",
    ]
    return BenchResult("cms_content", rates, ratios, notes)


class _Seconds(NamedTuple):
    """Hold the seconds that one call of each kind took in one round."""

    keygen: float
    ecdh: float
    sign: float
    verify: float
    create: float
    open: float


def _round(work: _Work) -> _Seconds:
    """Measure every call in samples in turns and keep the best of each: what else runs on the machine only adds time."""
    samples = [[_sample(call) for call in work] for _ in range(SAMPLES_A_ROUND)]
    return _Seconds(*(min(column) for column in zip(*samples, strict=True)))


def _sample(call: Callable[[], object]) -> float:
    """Give the seconds that one call takes."""
    done = 0
    start = time.thread_time()
    while (spent := time.thread_time() - start) < SAMPLE_SECONDS:
        for _ in range(8):
            call()
        done += 8
    return spent / done


def _work(curve: str, module: SoftwareModule) -> _Work:
    signer, recipient = (
        _credential(module, role, curve, usage) for role, usage in (("SIG", "digital_signature"), ("ENC", "key_agreement"))
    )
    content = os.urandom(CONTENT_OCTETS)

    def create() -> bytes:
        return seal(content, module=module, signer=signer, recipient=recipient.certificate)

    shape = CURVES[curve].curve
    key = ec.generate_private_key(shape)
    public_key = key.public_key()
    digests = [os.urandom(32) for _ in range(VARIANTS)]
    signatures = itertools.cycle([(key.sign(digest, _ECDSA), digest) for digest in digests])
    endless_digests = itertools.cycle(digests)
    peers = itertools.cycle([ec.generate_private_key(shape).public_key() for _ in range(VARIANTS)])
    messages = itertools.cycle([create() for _ in range(VARIANTS)])

    def verify() -> None:
        signature, digest = next(signatures)
        public_key.verify(signature, digest, _ECDSA)

    return _Work(
        keygen=lambda: ec.generate_private_key(shape),
        ecdh=lambda: key.exchange(_ECDH, next(peers)),
        sign=lambda: key.sign(next(endless_digests), _ECDSA),
        verify=verify,
        create=create,
        open=lambda: open_content(next(messages), module=module, recipient=recipient, signer=lambda claim: signer.certificate),
    )


def _credential(module: SoftwareModule, name: str, curve: str, usage: str) -> Credential:
    """Make a key and a certificate for it, of the size and content that matter here, by an authority that is thrown away."""
    public_key = module.generate(name, curve)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name}.EMT"), x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DE")])
    usages = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder(subject, subject, public_key, 1, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.KeyUsage(**{**usages, usage: True}), critical=True)
        .sign(ec.generate_private_key(CURVES[curve].curve), hashes.SHA256())
    )
    return Credential(certificate, name)
