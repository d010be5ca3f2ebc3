"""Reversed HTTP: whole messages, every limit, and the same result however the octets are cut."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.error_codes import ERROR_CODES
from smgw.core.errors import LimitFault, PeerFault, UsageError
from smgw.protocol.tunnel_http import BODY_LIMIT, HEAD_LIMIT, REFUSALS, Request, Response, TunnelClient, TunnelServer

HOST = "esgw0010000001.sm"
TARGET = "/smgw/gwa/v1/fas/commands"


def post(body: bytes, *lines: bytes, target: bytes = b"/x", method: bytes = b"POST", version: bytes = b"1.1", length: bool = True) -> bytes:
    head = [method + b" " + target + b" HTTP/" + version, b"Host: " + HOST.encode(), *lines]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def answer(body: bytes, *lines: bytes, status: bytes = b"200", length: bool = True) -> bytes:
    head = [b"HTTP/1.1 " + status + b" ", *lines]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def octets(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 1] for place in range(len(data)))


def asking() -> TunnelClient:
    client = TunnelClient(HOST)
    client.send_request("GET", "/", [])
    return client


@pytest.mark.req("WAN-08")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\r\n\r\n", "http.malformed"),
        (b"nonsense\r\n\r\n", "http.malformed"),
        (b"\x16\x03\x01\x02\x00\x01\n\n", "http.malformed"),
        (post(b"", version=b"1.0"), "http.malformed"),
        (post(b"", version=b"2.0"), "http.malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "http.malformed"),
        (post(b"", b"Host: other"), "http.malformed"),
        (post(b"", b"bad name: x"), "http.malformed"),
        (post(b"", b"x: a\x00b"), "http.malformed"),
        (post(b"abc", b"Content-Length: 4"), "http.malformed"),
        (post(b"", b"Content-Length: -1", length=False), "http.malformed"),
        (post(b"", method=b"HEAD"), "http.method"),
        (post(b"", method=b"CONNECT", target=b"a:1"), "http.method"),
        (post(b"", method=b"PATCH"), "http.method"),
        (post(b"", method=b"get"), "http.method"),
        (post(b"", length=False), "http.length"),
        (post(b"", method=b"PUT", length=False), "http.length"),
        (post(b"0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), "http.length"),
        (post(b"", b"x: " + b"a" * 253), "http.header_size"),
        (post(b"", *[b"x: " + b"a" * 200] * 100), "http.header_size"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * HEAD_LIMIT, "http.header_size"),
        (post(b"", target=b"/" + b"a" * 4000), "http.target_size"),
        (post(b"", b"Content-Length: %d" % (BODY_LIMIT + 1), length=False), "http.body_size"),
        (post(b"", b"Content-Length: 99999999999999999999", length=False), "http.body_size"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_the_server_refuses_by_name_and_says_no_more(data: bytes, code: str, cut: bool) -> None:
    server = TunnelServer()
    with pytest.raises(PeerFault) as fault:
        for part in octets(data) if cut else (data,):
            assert server.receive_data(part) == []
    assert fault.value.code == code
    assert isinstance(fault.value, LimitFault) == code.endswith("_size")
    assert server.is_over
    with pytest.raises(PeerFault) as again:
        server.receive_data(post(b"good"))
    assert again.value is fault.value
    with pytest.raises(PeerFault):
        server.receive_eof()
    with pytest.raises(UsageError):
        server.send_response(200, [], b"")
    assert server.refuse(fault.value).startswith(b"HTTP/1.1 %d " % REFUSALS[code])
    assert server.refuse(fault.value) == b""


def test_every_refusal_stands_in_the_catalogue() -> None:
    assert set(REFUSALS) <= set(ERROR_CODES)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", "http.malformed"),
        (answer(b"", status=b"abc"), "http.malformed"),
        (answer(b"", status=b"101", length=False), "http.malformed"),
        (answer(b"abc", length=False), "http.length"),
        (answer(b"0\r\n\r\n", b"Transfer-Encoding: chunked", length=False), "http.length"),
        (answer(b"", b"x: " + b"a" * 253), "http.header_size"),
        (b"HTTP/1.1 200 \r\nx: " + b"a" * HEAD_LIMIT, "http.header_size"),
        (answer(b"", b"Content-Length: %d" % (BODY_LIMIT + 1), length=False), "http.body_size"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_the_client_refuses_by_name(data: bytes, code: str, cut: bool) -> None:
    client = asking()
    with pytest.raises(PeerFault) as fault:
        for part in octets(data) if cut else (data,):
            assert client.receive_data(part) == []
    assert fault.value.code == code
    assert client.is_over
    with pytest.raises(UsageError):
        client.send_request("GET", "/", [])


def test_nothing_is_pipelined() -> None:
    server = TunnelServer()
    with pytest.raises(PeerFault) as fault:
        server.receive_data(post(b"one") + post(b"two"))
    assert fault.value.code == "http.pipelined"
    server = TunnelServer()
    assert len(server.receive_data(post(b"one"))) == 1
    with pytest.raises(PeerFault) as fault:
        server.receive_data(b"P")
    assert fault.value.code == "http.pipelined"
    for data in (answer(b"unasked"), b"x"):
        with pytest.raises(PeerFault) as fault:
            TunnelClient(HOST).receive_data(data)
        assert fault.value.code == "http.pipelined"


def test_an_end_inside_a_message_is_a_fault_and_between_messages_is_none() -> None:
    server = TunnelServer()
    server.receive_eof()
    server.receive_data(post(b"body")[:-1])
    with pytest.raises(PeerFault) as fault:
        server.receive_eof()
    assert fault.value.code == "http.malformed"
    client = asking()
    client.receive_data(answer(b""))
    client.receive_eof()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (100, [], b""),
        (600, [], b""),
        (204, [], b"x"),
        (200, [("bad name", "x")], b""),
        (200, [("x", "a\r\nb: c")], b""),
        (200, [("x", "ä")], b""),
        (200, [("x", "a" * 253)], b""),
        (200, [], bytes(BODY_LIMIT + 1)),
    ],
)
def test_an_impossible_answer_is_our_own_mistake(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    server = TunnelServer()
    with pytest.raises(UsageError):
        server.send_response(200, [], b"")
    server.receive_data(post(b""))
    with pytest.raises(UsageError) as fault:
        server.send_response(status, headers, body)
    assert fault.value.code == "http.usage"


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("HEAD", "/", [], b""),
        ("GET", "/" + "a" * 4000, [], b""),
        ("GET", "/a b", [], b""),
        ("GET", "/ä", [], b""),
        ("GET", "/", [("Host", "other")], b""),
        ("POST", "/", [("x", "a\nb")], b""),
        ("POST", "/", [], bytes(BODY_LIMIT + 1)),
    ],
)
def test_an_impossible_request_is_our_own_mistake(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
    client = TunnelClient(HOST)
    with pytest.raises(UsageError) as fault:
        client.send_request(method, target, headers, body)
    assert fault.value.code == "http.usage"
    client = asking()
    with pytest.raises(UsageError):
        client.send_request("GET", "/", [])


@pytest.mark.req("WAN-08")
def test_a_command_and_its_answer() -> None:
    """Administrator to gateway and back, twice over one channel."""
    client, server = TunnelClient(HOST), TunnelServer()
    for number in (b"1", b"2"):
        (request,) = server.receive_data(client.send_request("POST", TARGET, [("Content-Type", "application/cms")], number))
        assert request == Request("POST", TARGET, (("host", HOST), ("content-type", "application/cms"), ("content-length", "1")), number)
        (response,) = client.receive_data(server.send_response(200, [("Content-Type", "application/cms")], b"done " + number))
        assert response == Response(200, (("content-type", "application/cms"), ("content-length", "6")), b"done " + number)
        assert not server.is_over
        assert not client.is_over


def test_bodies_and_heads_may_be_as_large_as_allowed() -> None:
    server, client = TunnelServer(), TunnelClient(HOST)
    largest = bytes(range(256)) * (BODY_LIMIT // 256)
    (request,) = server.receive_data(client.send_request("PUT", "/" + "a" * 3999, [("x", "a" * 252)], largest))
    assert request.body == largest
    assert len(request.target) == 4000
    (response,) = client.receive_data(server.send_response(200, [], largest))
    assert response.body == largest


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_has_no_length(status: int) -> None:
    server, client = TunnelServer(), TunnelClient(HOST)
    server.receive_data(client.send_request("DELETE", "/x", []))
    out = server.send_response(status, [], b"")
    assert b"ontent-" not in out
    assert client.receive_data(out) == [Response(status, (), b"")]


def test_interim_answers_are_passed_over() -> None:
    client = asking()
    assert client.receive_data(b"HTTP/1.1 103 \r\nx: y\r\n\r\n") == []
    assert client.receive_data(b"HTTP/1.1 100 \r\n\r\n" + answer(b"now")) == [Response(200, (("content-length", "3"),), b"now")]


def test_a_request_that_closes_is_answered_and_then_the_channel_is_over() -> None:
    server, client = TunnelServer(), TunnelClient(HOST)
    (request,) = server.receive_data(client.send_request("GET", "/", [("Connection", "close")]))
    assert request.method == "GET"
    assert not server.is_over
    (response,) = client.receive_data(server.send_response(404, [], b""))
    assert response.status == 404
    assert server.is_over
    assert client.is_over
    with pytest.raises(PeerFault) as fault:
        server.receive_data(post(b""))
    assert fault.value.code == "http.pipelined"


def test_an_upgrade_is_not_followed() -> None:
    server = TunnelServer()
    for _ in range(2):
        assert len(server.receive_data(post(b"x", b"Upgrade: h2c", b"Connection: upgrade"))) == 1
        assert server.send_response(200, [], b"").startswith(b"HTTP/1.1 200 ")


HEADER = st.tuples(
    st.from_regex(r"x-[a-z0-9]{1,20}", fullmatch=True), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
)


@pytest.mark.req("WAN-08")
@given(
    exchanges=st.lists(
        st.tuples(
            st.sampled_from(["GET", "PUT", "POST", "DELETE"]), st.lists(HEADER, max_size=5), st.binary(max_size=300),
            st.sampled_from([200, 201, 202, 400, 404, 500]), st.binary(max_size=300), st.integers(1, 40),
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_however_the_octets_are_cut_the_messages_are_the_same(
    exchanges: list[tuple[str, list[tuple[str, str]], bytes, int, bytes, int]],
) -> None:
    client, server = TunnelClient(HOST), TunnelServer()
    for method, headers, body, status, answered, piece in exchanges:
        out = client.send_request(method, "/a", headers, body)
        requests = [request for place in range(0, len(out), piece) for request in server.receive_data(out[place : place + piece])]
        (request,) = requests
        assert (request.method, request.body) == (method, body)
        assert list(request.headers[1 : 1 + len(headers)]) == headers
        out = server.send_response(status, headers, answered)
        responses = [response for octet in octets(out) for response in client.receive_data(octet)]
        assert [(response.status, response.body) for response in responses] == [(status, answered)]


@given(data=st.binary(max_size=200), piece=st.integers(1, 50))
def test_any_octets_give_the_same_at_once_and_in_pieces(data: bytes, piece: int) -> None:
    def run(parts: list[bytes]) -> tuple[list[Request], str]:
        server, requests = TunnelServer(), list[Request]()
        try:
            for part in parts:
                requests += server.receive_data(part)
        except PeerFault as fault:
            return requests, fault.code
        return requests, ""

    assert run([data]) == run([data[place : place + piece] for place in range(0, len(data), piece)])
