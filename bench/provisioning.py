"""Provisioning of one gateway end to end, from the works to normal operation, and what each step costs.

Everything is real but the network: module, keys, certificates, signatures, journal with full sync. Beside it stands the limit of its curve
arithmetic: six keys, nine certificates and requests signed and verified, on this machine in the same run.
"""

import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.result import BenchResult
from smgw.administrator.initial_configuration import Address
from smgw.core.identifiers import DeviceId
from smgw.net.identity import create_keys, install_certificates
from smgw.pki.deployment import PkiFolder
from smgw.pki.names import Role
from smgw.pki.triple import ADMINISTRATOR_KEYS
from smgw.simulation.commissioned import Took, found_authentication, found_gateway

ROUNDS = 5
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS, SIGNATURES, VERIFICATIONS = 6, 16, 30
"""Curve operations that no implementation can do without: two triples made on board, requested, certified, checked and installed."""


def run() -> BenchResult:
    """Provision gateways one after another; each figure is the median of the rounds."""
    with TemporaryDirectory() as name:
        place = Path(name)
        pki = PkiFolder.found(place / "pki", now=NOW, sub_name="bench")
        administrator = place / "administrator"
        package = create_keys(administrator, ADMINISTRATOR_KEYS, Role.GWA, "bench")
        install_certificates(administrator, pki.issue(package, Role.GWA, now=NOW), [pki.sub().certificate])
        pki.trust(NOW).save(administrator / "trust")
        found_authentication(administrator, pki, NOW)
        rounds = [_round(place, number, administrator, pki) for number in range(ROUNDS)]
    rates: dict[str, float] = {}
    for index, took in enumerate(rounds[0]):
        key = took.step.replace(" ", "_").replace("-", "_")
        rates[f"{key}_cpu_ms"] = 1000 * statistics.median(one[index].cpu_s for one in rounds)
    wall = statistics.median(sum(took.wall_s for took in one) for one in rounds)
    cpu = statistics.median(sum(took.cpu_s for took in one) for one in rounds)
    limit = _limit()
    rates |= {"whole_wall_s": wall, "whole_cpu_s": cpu, "curve_limit_cpu_s": limit}
    notes = [
        f"one gateway from the works to normal operation, median of {ROUNDS}; no network, disk with full sync",
        f"limit: {KEYS} keys, {SIGNATURES} signatures and {VERIFICATIONS} verifications on brainpoolP256r1",
    ]
    return BenchResult("provisioning", rates, {"limit_of_whole": limit / cpu}, notes)


def _round(place: Path, number: int, administrator: Path, pki: PkiFolder) -> list[Took]:
    steps: list[Took] = []
    device_id = str(DeviceId("E", "SGW", 0, number + 1))
    found_gateway(place / device_id, device_id, administrator, Address("127.0.0.1", 1, 1), pki, NOW, steps.append)
    return steps


def _limit() -> float:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    signature = key.sign(b"octets", ec.ECDSA(hashes.SHA256()))
    public = key.public_key()
    works: tuple[tuple[int, Callable[[], object]], ...] = (
        (KEYS, lambda: ec.generate_private_key(ec.BrainpoolP256R1())),
        (SIGNATURES, lambda: key.sign(b"octets", ec.ECDSA(hashes.SHA256()))),
        (VERIFICATIONS, lambda: public.verify(signature, b"octets", ec.ECDSA(hashes.SHA256()))),
    )
    return statistics.median(sum(_cpu(count, work) for count, work in works) for _ in range(ROUNDS))


def _cpu(count: int, work: Callable[[], object]) -> float:
    started = process_time()
    for _ in range(count):
        work()
    return process_time() - started
