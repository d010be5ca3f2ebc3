"""Fuzz target: whatever octets come, checking an exported journal gives heads, a PeerFault or a broken chain with its place.

Run for longer with `python tests/fuzz/fuzz_journal_export.py -max_total_time=60`.
"""

import io
import json
import sys

import atheris

with atheris.instrument_imports():
    from smgw.core.errors import IntegrityFault, PeerFault
    from smgw.storage.chain import GENESIS, chain_tag, link
    from smgw.storage.journal_export import EXPORTED, FORMAT, bounded_lines, verify_export, verify_signed_export

KINDS = tuple(EXPORTED)


def one_input(data: bytes) -> None:
    """Take the octets as a file, and as the record of a row whose hash is right."""
    one_file(data)
    if data:
        one_record(KINDS[data[0] % len(KINDS)], data[1:])


def one_file(data: bytes) -> None:
    """Check a file, without and with its signatures, which count as right here."""
    try:
        verify_export(bounded_lines(io.BytesIO(data).readline))
        verify_signed_export(bounded_lines(io.BytesIO(data).readline), lambda *_: None, lambda *_: None)
    except PeerFault:
        return
    except IntegrityFault as fault:
        if fault.code != "journal.unsealed" and (fault.code != "journal.chain" or ": row " not in fault.detail):
            raise


def one_record(kind: str, record: bytes) -> None:
    """Check a file of one row that only its content can spoil; `value` is taken from the octets too, as far as they are JSON."""
    digest = link(GENESIS, chain_tag(kind), record).hex()
    head = {"format": FORMAT, "chains": [{"chain": kind, "scope": "", "length": 1, "hash": digest}]}
    row = {"type": "row", "chain": kind, "scope": "", "number": 1, "value": {}, "record": record.hex(), "signature": "", "hash": digest}
    one_file(json.dumps(head).encode() + b"\n" + json.dumps(row).encode())
    one_file(
        json.dumps(head).encode() + b"\n" + json.dumps(row).encode().replace(b'"value": {}', b'"value": ' + record.replace(b"\n", b" "))
    )
    head["consumer"] = "flat1"
    for line in ("seal", "cut", "item"):
        single = {"type": line, "value": {}, "record": record.hex(), "signature": ""} | ({"chain": kind} if line == "item" else {})
        one_file(json.dumps(head).encode() + b"\n" + json.dumps(single).encode())


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
