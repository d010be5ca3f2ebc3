"""Fuzz target: certificates, revocation lists, request packages and names give a value or a PeerFault.

The first octet chooses the reader. Run for longer with `python tests/fuzz/fuzz_pki.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports():
    from smgw.core.errors import PeerFault
    from smgw.pki.crl import read_revocation_list
    from smgw.pki.describe import describe_certificate
    from smgw.pki.facts import read_facts
    from smgw.pki.requests import read_request_package
    from smgw.pki.triple import kind_of, read_certificates


def one_input(data: bytes) -> None:
    """Read once with the reader that the first octet names."""
    try:
        match data[0] % 4 if data else 0:
            case 0:
                for certificate in read_certificates(data[1:]):
                    read_facts(certificate)
            case 1:
                for certificate in read_certificates(data[1:]):
                    describe_certificate(certificate)
                    kind_of(certificate)
            case 2:
                read_revocation_list(data[1:])
            case _:
                read_request_package(data[1:])
    except PeerFault:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
