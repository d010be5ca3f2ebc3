"""Fuzz target: both ends of the reversed HTTP give messages or a PeerFault, and pieces give what the whole gives.

Run for longer with `python tests/fuzz/fuzz_tunnel_http.py -max_total_time=60`.
"""

import sys

import atheris

with atheris.instrument_imports():
    from smgw.core.errors import PeerFault
    from smgw.protocol.tunnel_http import BODY_LIMIT, TunnelClient, TunnelServer


def _serve(parts: list[bytes]) -> tuple[list[object], str]:
    server, taken = TunnelServer(), list[object]()
    try:
        for part in parts:
            for request in server.receive_data(part):
                taken.append(request)
                server.send_response(200, [("Content-Type", "application/cms")], request.body)
        server.receive_eof()
    except PeerFault as fault:
        server.refuse(fault)
        return taken, fault.code
    return taken, ""


def _ask(parts: list[bytes]) -> tuple[list[object], str]:
    client, taken = TunnelClient("esgw0010000001.sm"), list[object]()
    client.send_request("POST", "/x", [], b"body")
    try:
        for part in parts:
            taken += client.receive_data(part)
        client.receive_eof()
    except PeerFault as fault:
        return taken, fault.code
    return taken, ""


def one_input(data: bytes) -> None:
    """Feed both ends; the first octet says how large the pieces are."""
    if len(data) < 2 or len(data) > BODY_LIMIT:
        return
    size, data = data[0] + 1, data[1:]
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    _serve(pieces)
    _ask(pieces)
    whole, code = _serve([data])
    cut, cut_code = _serve([data[place : place + 1] for place in range(len(data))] if len(data) < 500 else pieces)
    # A request that comes behind another is refused at once, but may be taken when its octets come after the answer.
    if code != "http.pipelined" and (whole, code) != (cut, cut_code):
        raise AssertionError(f"{code!r} at once, {cut_code!r} in pieces")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
