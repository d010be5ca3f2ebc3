"""Digest log-in: refusals first, then what published clients send."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smgw.core.errors import DecodeFault, PeerFault, Replay, SecurityFault
from smgw.protocol.digest_auth import Algorithm, DigestAuthenticator, FailureThrottle, Verified, digest_hex, ha1, parse_answer

REALM = "Conexa"
ROOT = frozenset({"/smgw/m2m", "/smgw/m2m/"})
PASSWORDS = {"flat1": "correct horse", "flat2": "battery staple"}


def secret_of(user: str, algorithm: Algorithm) -> str | None:
    return ha1(algorithm, user, REALM, PASSWORDS[user]) if user in PASSWORDS else None


class Client:
    """Answer challenges as RFC 7616 says; written apart from the code under test."""

    def __init__(
        self, gate: DigestAuthenticator, user: str = "flat1", password: str | None = None, now: float = 0.0, seed: int = 1
    ) -> None:
        self.gate, self.user, self.password = gate, user, password or PASSWORDS.get(user, "?")
        self.count = 0
        self.nonce = self.take(gate.challenge(now, seed.to_bytes(8, "big")))

    def take(self, challenge: str) -> str:
        self.challenge = challenge
        found = re.search(r'nonce="([^"]+)"', challenge)
        assert found
        return found[1]

    def header(
        self, uri: str = "/", method: str = "GET", algorithm: Algorithm = Algorithm.MD5, count: int | None = None, realm: str = REALM
    ) -> str:
        self.count = self.count + 1 if count is None else count
        nc = f"{self.count:08x}"
        a1 = digest_hex(algorithm, f"{self.user}:{realm}:{self.password}")
        a2 = digest_hex(algorithm, f"{method}:{uri}")
        response = digest_hex(algorithm, f"{a1}:{self.nonce}:{nc}:0a4f113b:auth:{a2}")
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{self.nonce}", uri="{uri}", qop=auth, nc={nc}, '
            f'cnonce="0a4f113b", response="{response}", algorithm={algorithm.value}'
        )

    def send(self, uri: str = "/", target: str | None = None, now: float = 0.0, method: str = "GET", **how: object) -> Verified:
        answer = parse_answer(self.header(uri, method, **how))  # type: ignore[arg-type]
        return self.gate.verify(answer, method=method, target=target or uri, aliases=ROOT, now=now, ha1_of=secret_of)


@pytest.fixture
def gate() -> DigestAuthenticator:
    return DigestAuthenticator(realm=REALM, key=bytes(32))


def refused(code: str, kind: type[PeerFault] = SecurityFault):
    return pytest.raises(kind, match=f"^{re.escape(code)}")


@pytest.mark.req("CON-01")
@pytest.mark.parametrize("user,password", [("flat1", "wrong"), ("nobody", "correct horse"), ("flat2", "correct horse")])
def test_wrong_name_or_password_is_refused_alike(gate: DigestAuthenticator, user: str, password: str) -> None:
    with refused("login.refused") as caught:
        Client(gate, user, password).send()
    assert str(caught.value) == "login.refused"


def test_another_realm_method_or_target_is_refused(gate: DigestAuthenticator) -> None:
    client = Client(gate)
    with refused("login.refused"):
        client.send(realm="other")
    with refused("login.refused"):
        client.send("/log", target="/readings")
    answer = parse_answer(client.header("/", "GET"))
    with refused("login.refused"):
        gate.verify(answer, method="POST", target="/", now=0, ha1_of=secret_of)


def test_the_redirect_alias_holds_only_where_the_caller_allows_it(gate: DigestAuthenticator) -> None:
    answer = parse_answer(Client(gate).header("/smgw/m2m/"))
    with refused("login.refused"):
        gate.verify(answer, method="GET", target="/device", now=0, ha1_of=secret_of)


def test_a_count_is_good_once(gate: DigestAuthenticator) -> None:
    client = Client(gate)
    client.send(count=1)
    with refused("login.replayed", Replay):
        client.send(count=1)
    client.send(count=9)
    client.send(count=3)
    with refused("login.replayed", Replay):
        client.send(count=3)
    client.send(count=500)
    with refused("login.replayed", Replay):
        client.send(count=9)
    with refused("login.replayed", Replay):
        client.send(count=0)


def test_an_answer_for_the_root_may_come_once_more_after_the_redirect(gate: DigestAuthenticator) -> None:
    """Redirect-following clients re-send the header that they made for the root."""
    client = Client(gate)
    for count in (1, 2):
        client.send("/smgw/m2m/", method="POST", count=count)
        client.send("/smgw/m2m/", target="/smgw/m2m/u/json", method="POST", count=count)
        with refused("login.replayed", Replay):
            client.send("/smgw/m2m/", target="/smgw/m2m/u/json", method="POST", count=count)
        with refused("login.replayed", Replay):
            client.send("/smgw/m2m/", method="POST", count=count)


def test_expired_forged_and_foreign_nonces_are_stale_only_for_the_right_password(gate: DigestAuthenticator) -> None:
    late = Client(gate)
    with refused("login.stale"):
        late.send(now=301)
    with refused("login.refused"):
        Client(gate, password="wrong").send(now=301)
    other = Client(DigestAuthenticator(realm=REALM, key=b"\1" * 32))
    other.gate = gate
    with refused("login.stale"):
        other.send()
    forged = Client(gate)
    forged.nonce = "0" * 28 + forged.nonce[28:]
    with refused("login.stale"):
        forged.send()


def test_a_nonce_in_use_lives_on_until_it_idles_or_gets_old(gate: DigestAuthenticator) -> None:
    client = Client(gate)
    for second in range(0, 48 * 3600, 599):
        client.send(now=second)
    with refused("login.stale"):
        client.send(now=48 * 3600 + 1)
    idle = Client(gate)
    idle.send(now=1)
    with refused("login.stale"):
        idle.send(now=602)
    with refused("login.stale"):
        idle.send(now=603, count=1)


def test_memory_is_bounded_and_forgetting_never_opens_a_replay() -> None:
    gate = DigestAuthenticator(realm=REALM, key=bytes(32), max_nonces=8)
    first = Client(gate, now=0, seed=7)
    header = first.header("/", count=1)

    def again() -> Verified:
        return gate.verify(parse_answer(header), method="GET", target="/", now=10, ha1_of=secret_of)

    gate.verify(parse_answer(header), method="GET", target="/", now=0.5, ha1_of=secret_of)
    for number in range(1, 20):
        Client(gate, now=number / 10, seed=number).send(now=2)
    with refused("login.stale"):
        again()
    assert len(gate._used) == 8


@pytest.mark.req("CON-02")
def test_clients_in_the_same_second_get_different_nonces_that_hold_in_parallel(gate: DigestAuthenticator) -> None:
    clients = [Client(gate, user, seed=seed) for seed, user in enumerate(("flat1", "flat1", "flat2"))]
    assert len({client.nonce for client in clients}) == 3
    for second in range(3):
        assert [client.send(now=second).user for client in clients] == ["flat1", "flat1", "flat2"]


@pytest.mark.req("CON-02")
@pytest.mark.parametrize("challenged", list(Algorithm))
@pytest.mark.parametrize("answered", list(Algorithm))
def test_either_algorithm_is_accepted_on_every_challenge(challenged: Algorithm, answered: Algorithm) -> None:
    gate = DigestAuthenticator(realm=REALM, key=bytes(32), algorithm=challenged)
    client = Client(gate)
    assert f"algorithm={challenged.value}" in client.challenge
    assert client.send(algorithm=answered).first_use
    assert not client.send(algorithm=answered).first_use


def test_the_challenge_is_what_hand_written_parsers_can_split(gate: DigestAuthenticator) -> None:
    challenge = gate.challenge(5, bytes(8))
    fields = dict(part.split("=", 1) for part in challenge.removeprefix("Digest ").split(", "))
    assert fields["realm"] == '"Conexa"' and fields["qop"] == '"auth"' and fields["algorithm"] == "MD5"
    assert set(fields) == {"realm", "nonce", "opaque", "algorithm", "qop"}
    assert gate.challenge(5, bytes(8), stale=True).endswith(", stale=true")


def test_the_published_example_verifies() -> None:
    """RFC 7616, 3.9.1: the values of the example for both algorithms."""
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        answer = parse_answer(
            f'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, nonce="{nonce}", '
            f'nc=00000001, cnonce="{cnonce}", qop=auth, response="{response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )
        assert answer.expected("GET", ha1(answer.algorithm, "Mufasa", answer.realm, "Circle of Life")) == response


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic YTpi",
        "Digest",
        "Digest ",
        'Digest username="a"',
        'Digest username="a" realm="b"',
        'Digest username="a", username="b"',
        "Digest ,,,",
        "Digest " + 'x="y", ' * 1000,
        'Digest username="\udc80"',
    ],
)
def test_malformed_headers(header: str) -> None:
    with refused("login.header", DecodeFault):
        parse_answer(header)


@pytest.mark.parametrize(
    "before,after", [("qop=auth", "qop=auth-int"), ("nc=00000001", "nc=1"), ("algorithm=MD5", "algorithm=MD5-sess"), ("uri=", "url=")]
)
def test_unsupported_answers(gate: DigestAuthenticator, before: str, after: str) -> None:
    with refused("login.header", DecodeFault):
        parse_answer(Client(gate).header().replace(before, after))


def test_quoted_pairs_and_missing_algorithm_are_read() -> None:
    answer = parse_answer(r'Digest username="a\"b\\c",realm="r",nonce="n",uri="/?x=1,2",response="AB",qop="auth",nc=0000000A,cnonce="c=,"')
    assert (answer.user, answer.uri, answer.cnonce, answer.nonce_count, answer.algorithm) == ('a"b\\c', "/?x=1,2", "c=,", 10, Algorithm.MD5)
    assert answer.response == "ab"


@given(st.text(max_size=300))
def test_any_text_is_an_answer_or_a_peer_fault(text: str) -> None:
    for header in (text, "Digest " + text):
        try:
            parse_answer(header)
        except PeerFault:
            continue


@given(st.integers(0, 500), st.characters(codec="utf-8"))
def test_no_altered_answer_is_taken(position: int, character: str) -> None:
    gate = DigestAuthenticator(realm=REALM, key=bytes(32))
    header = Client(gate).header()
    position %= len(header)
    altered = header[:position] + character + header[position + 1 :]
    try:
        answer = parse_answer(altered)
        same = answer == parse_answer(header)
        gate.verify(answer, method="GET", target="/", now=0, ha1_of=secret_of)
    except PeerFault:
        return
    assert same


@pytest.mark.req("CON-01")
def test_five_failures_lock_and_the_lock_grows() -> None:
    throttle = FailureThrottle()
    assert throttle.locked_s(0, "user:flat1") == 0
    assert [throttle.failed(second, "user:flat1") for second in range(5)] == [0, 0, 0, 0, 60]
    assert throttle.locked_s(4, "user:flat1") == 60
    assert throttle.locked_s(4, "10.0.0.7") == 0
    assert throttle.locked_s(64, "user:flat1") == 0
    locks = [throttle.failed(100 + second, "user:flat1") for second in range(20)]
    assert [lock for lock in locks if lock] == [120, 240, 300, 300]


def test_failures_are_forgotten_after_success_or_a_quiet_time() -> None:
    throttle = FailureThrottle()
    for second in range(4):
        throttle.failed(second, "user:flat1")
    throttle.succeeded("user:flat1")
    throttle.succeeded("nobody")
    assert throttle.failed(5, "user:flat1") == 0
    for second in range(3):
        throttle.failed(second + 6, "user:flat1")
    assert throttle.failed(5000, "user:flat1") == 0


def test_the_throttle_is_bounded() -> None:
    throttle = FailureThrottle(max_keys=10)
    for number in range(100):
        throttle.failed(number, f"user:{number}")
    assert len(throttle._entries) == 10
