"""Fuzz target: a wake-up packet gives a value or a PeerFault, in the codec and at the guard, and only a signed one is accepted.

Run for longer with `python tests/fuzz/fuzz_wakeup.py -max_total_time=60`.
"""

import sys
from datetime import UTC, datetime, timedelta

import atheris
from cryptography.hazmat.primitives.asymmetric import ec

with atheris.instrument_imports():
    from smgw.codec.wakeup import ALGORITHMS, decode_packet, encode_packet, explain, signed_part
    from smgw.core.errors import PeerFault
    from smgw.core.identifiers import DeviceId
    from smgw.protocol.wakeup_guard import WakeUpGuard, WakeUpRules

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OWN = DeviceId.parse("ESGW0000000001")
RULES = WakeUpRules(
    OWN.to_wake_up(),
    ec.derive_private_key(7, ec.BrainpoolP256R1()).public_key(),
    NOW - timedelta(days=1),
    NOW + timedelta(days=1),
    order="auto",
)
SIGNED = signed_part(OWN, int(NOW.timestamp()))


def one_input(data: bytes) -> None:
    """Read, dissect and judge one packet."""
    verdict = WakeUpGuard(RULES).judge(data, NOW, clock_valid=True)
    if verdict.fault is None:
        raise AssertionError("a packet was accepted that nobody signed")
    if not verdict.fault.code.startswith("wakeup."):
        raise AssertionError(verdict.fault.code) from verdict.fault
    try:
        packet = decode_packet(data)
    except PeerFault:
        return
    if packet.oid in ALGORITHMS and encode_packet(packet.signed, ALGORITHMS[packet.oid], packet.signature) != data:
        raise AssertionError("a decoded packet changed when written again")
    list(explain(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
