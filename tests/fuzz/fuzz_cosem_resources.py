"""Fuzz target: targets and bodies of the management interface give values or a PeerFault, and what was read has one form.

The input is a target in UTF-8 and a body with three zero octets between them.
Run for longer with `python tests/fuzz/fuzz_cosem_resources.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports(include=["smgw"]):
    from smgw.codec.cosem_elements import decode_document, encode_document
    from smgw.codec.cosem_resources import URI_LIMIT, format_target, parse_target
    from smgw.core.errors import PeerFault, UsageError

SEPARATOR = b"\0\0\0"


def one_input(data: bytes) -> None:
    """Read both; what can be read must survive being written."""
    address, _, body = data.partition(SEPARATOR)
    _read_target(address.decode("utf-8", "replace"))
    try:
        document = decode_document(body)
    except PeerFault:
        return
    if decode_document(encode_document(document)) != document:
        raise AssertionError("a body that was read changed when written again")


def _read_target(text: str) -> None:
    try:
        target = parse_target(text)
    except PeerFault:
        return
    try:
        again = format_target(target)
    except UsageError:
        # Percent encoding makes a target up to three times as long as the one that was read.
        if 3 * len(text) <= URI_LIMIT:
            raise
        return
    if parse_target(again) != target:
        raise AssertionError("a target that was read changed when written again")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
