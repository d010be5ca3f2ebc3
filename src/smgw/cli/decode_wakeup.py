"""`smgw decode wakeup`: say what each octet of a wake-up packet means; nothing is verified."""

import json
from typing import TextIO

from smgw.cli.hex_input import unhexed
from smgw.codec.wakeup import ALGORITHMS, decode_packet, explain, moment_text, recipient_id
from smgw.core.errors import DecodeFault


def run(data: bytes, *, as_json: bool, out: TextIO) -> int:
    """Write the dissection of a packet (octets or hex) to `out`; give the exit code, 0 or 4 when it is not well formed."""
    octets = unhexed(data)
    try:
        packet = decode_packet(octets)
    except DecodeFault as fault:
        if as_json:
            out.write(json.dumps({"ok": False, "code": fault.code, "offset": fault.offset, "detail": fault.detail}) + "\n")
        else:
            out.write(f"FAULT at {fault.offset}: {fault} ({fault.title})\n")
        return fault.exit_code
    if as_json:
        algorithm = ALGORITHMS.get(packet.oid)
        device = recipient_id(packet.recipient)
        facts = {
            "octets": len(octets),
            "recipient": None if device is None else str(device),
            "recipient_octets": packet.recipient.hex(),
            "time": moment_text(packet.seconds("little")),
            "time_if_most_significant_first": moment_text(packet.seconds("big")),
            "algorithm": None if algorithm is None else algorithm.name,
            "algorithm_octets": packet.oid.hex(),
            "signed": packet.signed.hex(),
            "signature": packet.signature.hex(),
            "verified": False,
        }
        out.write(json.dumps({"ok": True, **facts}) + "\n")
        return 0
    out.write("offset  length  meaning\n")
    for line in explain(octets):
        out.write(f"{line.offset:>6}  {line.length:>6}  {'  ' * line.depth}{line.meaning}\n")
    return 0
