"""Fuzz target: AR 2418-6 files give values or a PeerFault, values have one form, and a computed bill loses no energy.

The input is a supplier file and a device file with three zero octets between them.
Run for longer with `python tests/fuzz/fuzz_trudi_xml.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports(include=["smgw"]):
    from smgw.codec.trudi_write import write_device_file, write_supplier_file
    from smgw.codec.trudi_xml import read_device_file, read_supplier_file
    from smgw.core.errors import PeerFault
    from smgw.transparency.recompute import verify
    from smgw.transparency.report import as_json, render_html

SEPARATOR = b"\0\0\0"


def one_input(data: bytes) -> None:
    """Read both files; what can be read must survive being written, and what can be computed must add up."""
    supplier_octets, _, device_octets = data.partition(SEPARATOR)
    held = []
    for octets, read, write in (
        (supplier_octets, read_supplier_file, write_supplier_file),
        (device_octets, read_device_file, write_device_file),
    ):
        try:
            document = read(octets)
        except PeerFault:
            continue
        if read(write(document)) != document:
            raise AssertionError("a file that was read changed when written again")
        held.append(document)
    if len(held) < 2:
        return
    try:
        result = verify(held[0], held[1])
    except PeerFault:
        return
    as_json(result)
    render_html(result, {})
    if sum(register.value for register in result.registers) != sum(one.total or 0 for one in result.lists):
        raise AssertionError("the registers do not add up to the lists")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
