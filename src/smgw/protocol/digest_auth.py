"""HTTP digest log-in, server side, sans-IO: challenges, answers, replay and throttling.

Time comes in as seconds that only ever grow (a monotonic clock), randomness as octets. Only HA1 = H(user:realm:password) is ever looked up.
Source: CON-01; RFC 7616, RFC 2617; 30-han-consumer-interface 0.2–0.4 and 1.1.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from smgw.core.errors import DecodeFault, Replay, SecurityFault

CONSUMER_REALM = "SMGW"
"""The realm of every gateway's consumer interface; it goes into HA1, so changing it makes all stored log-ins worthless."""

MAX_HEADER_CHARS = 4096
NONCE_CHARS = 64
_PARAMETER = re.compile(r"""[ \t]*([A-Za-z][A-Za-z0-9*-]*)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=]+))[ \t]*(?:,|$)""")
_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_WINDOW = 64


class Algorithm(StrEnum):
    """Name the hash of a digest answer."""

    MD5 = "MD5"
    SHA256 = "SHA-256"


def digest_hex(algorithm: Algorithm, text: str) -> str:
    """Hash UTF-8 text to lower-case hex."""
    if algorithm is Algorithm.MD5:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()


def ha1(algorithm: Algorithm, user: str, realm: str, password: str) -> str:
    """Give HA1, the only form in which a password is kept; it is as secret as the password itself."""
    return digest_hex(algorithm, f"{user}:{realm}:{password}")


class DigestAnswer(NamedTuple):
    """Hold the parameters of one Authorization header."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm
    cnonce: str
    count_text: str
    """Eight hex digits as sent; they are hashed in this form."""

    @property
    def nonce_count(self) -> int:
        """Give the nonce count."""
        return int(self.count_text, 16)

    def expected(self, method: str, ha1_hex: str) -> str:
        """Compute the response that a holder of HA1 sends for `method` and the answer's own uri."""
        ha2 = digest_hex(self.algorithm, f"{method}:{self.uri}")
        return digest_hex(self.algorithm, f"{ha1_hex}:{self.nonce}:{self.count_text}:{self.cnonce}:auth:{ha2}")


def parse_answer(header: str) -> DigestAnswer:
    """Read an Authorization header. Raises: DecodeFault login.header."""
    if len(header) > MAX_HEADER_CHARS or header[:7].lower() != "digest ":
        raise DecodeFault("login.header", "not a digest answer")
    try:
        header.encode()
    except UnicodeEncodeError as problem:
        raise DecodeFault("login.header", "not UTF-8", offset=problem.start) from problem
    parameters: dict[str, str] = {}
    position = 7
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None or match[1].lower() in parameters:
            raise DecodeFault("login.header", "parameter list", offset=position)
        quoted: str | None = match[2]
        parameters[match[1].lower()] = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
    return _answer_of(parameters)


def _answer_of(parameters: Mapping[str, str]) -> DigestAnswer:
    algorithms = {algorithm.value: algorithm for algorithm in Algorithm}
    algorithm = algorithms.get(parameters.get("algorithm", "MD5").upper())
    if algorithm is None or parameters.get("qop") != "auth" or not _COUNT.fullmatch(parameters.get("nc", "")):
        raise DecodeFault("login.header", "algorithm, qop or nc")
    try:
        return DigestAnswer(
            user=parameters["username"],
            realm=parameters["realm"],
            nonce=parameters["nonce"],
            uri=parameters["uri"],
            response=parameters["response"].lower(),
            algorithm=algorithm,
            cnonce=parameters["cnonce"],
            count_text=parameters["nc"],
        )
    except KeyError as problem:
        raise DecodeFault("login.header", f"{problem.args[0]} is missing") from problem


class Verified(NamedTuple):
    """Tell who answered, and whether this is the nonce's first use."""

    user: str
    nonce: str
    first_use: bool


class _NonceUse:
    """Remember which counts of one nonce were used: a window of the newest 64, so that parallel connections may overtake each other."""

    __slots__ = ("highest", "issued", "last_used", "repeated", "seen")

    def __init__(self, issued: float) -> None:
        self.issued = issued
        self.last_used = issued
        self.highest = 0
        self.seen = 0
        self.repeated = 0

    def take(self, count: int, repeatable: bool) -> None:
        """Use up a count, or its one repeat after a redirect. Raises: Replay login.replayed."""
        if count > self.highest:
            shift = count - self.highest
            self.seen = (self.seen << shift if shift < _WINDOW else 0) & ((1 << _WINDOW) - 1) | 1
            self.repeated = (self.repeated << shift if shift < _WINDOW else 0) & ((1 << _WINDOW) - 1)
            self.highest = count
            return
        age = self.highest - count
        bit = 1 << age
        if count == 0 or age >= _WINDOW:
            raise Replay("login.replayed", "count too old")
        if not self.seen & bit:
            self.seen |= bit
        elif repeatable and not self.repeated & bit:
            self.repeated |= bit
        else:
            raise Replay("login.replayed", "count used before")


class DigestAuthenticator:
    """Issue challenges and verify answers.

    A nonce is its time of issue, random octets and an HMAC, so issuing one costs no memory; only nonces that a right password was used
    with are remembered, at most `max_nonces`. A nonce that had to be forgotten is stale from then on and can't be replayed.
    """

    def __init__(
        self,
        *,
        realm: str,
        key: bytes,
        algorithm: Algorithm = Algorithm.MD5,
        unused_s: float = 300,
        idle_s: float = 600,
        longest_s: float = 48 * 3600,
        max_nonces: int = 1024,
    ) -> None:
        self.realm = realm
        self._key = key
        self._algorithm = algorithm
        self._unused_s = unused_s
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._max_nonces = max_nonces
        self._used: OrderedDict[str, _NonceUse] = OrderedDict()
        self._forgotten_until = float("-inf")
        self._opaque = hmac.new(key, b"opaque", "sha256").hexdigest()[:16]

    def challenge(self, now: float, random: bytes, *, stale: bool = False) -> str:
        """Give the value of a WWW-Authenticate header; `random` are at least 8 fresh octets."""
        head = f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}{random[:8].hex():0>16}"
        nonce = head + self._seal(head)
        flag = ", stale=true" if stale else ""
        return f'Digest realm="{self.realm}", nonce="{nonce}", opaque="{self._opaque}", algorithm={self._algorithm.value}, qop="auth"{flag}'

    def _seal(self, head: str) -> str:
        return hmac.new(self._key, head.encode(), "sha256").hexdigest()[: NONCE_CHARS - 28]

    def verify(
        self,
        answer: DigestAnswer,
        *,
        method: str,
        target: str,
        aliases: frozenset[str] = frozenset(),
        now: float,
        ha1_of: Callable[[str, Algorithm], str | None],
    ) -> Verified:
        """Give the user whose password made the answer.

        `target` is the request's path and query; the answer's uri must be equal to it or one of `aliases`. Clients re-send an answer made
        for an alias once more after a redirect, so such an answer may come twice.
        Raises: SecurityFault login.refused (no such user, wrong password, other realm or target), login.stale (the password is right, the
        nonce has expired); Replay login.replayed (the password is right, the count was used before).
        """
        known = ha1_of(answer.user, answer.algorithm)
        expected = answer.expected(method, known or digest_hex(answer.algorithm, self._opaque))
        right = hmac.compare_digest(expected.encode(), answer.response.encode())
        if known is None or not right or answer.realm != self.realm or (answer.uri != target and answer.uri not in aliases):
            raise SecurityFault("login.refused")
        issued = self._issued(answer.nonce)
        use = self._used.get(answer.nonce)
        if issued is None or now - issued > self._longest_s or self._expired(issued, use, now):
            self._used.pop(answer.nonce, None)
            raise SecurityFault("login.stale")
        if use is None:
            use = self._remember(answer.nonce, issued, now)
        first = use.highest == 0
        use.take(answer.nonce_count, repeatable=answer.uri in aliases and answer.uri != target)
        use.last_used = now
        self._used.move_to_end(answer.nonce)
        return Verified(answer.user, answer.nonce, first)

    def _issued(self, nonce: str) -> float | None:
        head, seal = nonce[:28], nonce[28:]
        if len(nonce) != NONCE_CHARS or not hmac.compare_digest(self._seal(head).encode(), seal.encode()):
            return None
        return int(head[:12], 16) / 1000

    def _expired(self, issued: float, use: _NonceUse | None, now: float) -> bool:
        if use is None:
            return now - issued > self._unused_s or issued <= self._forgotten_until
        return now - use.last_used > self._idle_s

    def _remember(self, nonce: str, issued: float, now: float) -> _NonceUse:
        while self._used:
            oldest = next(iter(self._used.values()))
            if len(self._used) < self._max_nonces and now - oldest.last_used <= self._idle_s:
                break
            self._forgotten_until = max(self._forgotten_until, oldest.issued)
            self._used.popitem(last=False)
        use = self._used[nonce] = _NonceUse(issued)
        return use


class _Failures:
    __slots__ = ("count", "last", "locked_until", "next_lock_s")

    def __init__(self) -> None:
        self.count = 0
        self.next_lock_s = 0.0
        self.last = 0.0
        self.locked_until = float("-inf")


class FailureThrottle:
    """Lock a name or an address after failed log-ins: 60 s after five, twice as long after each further five, 300 s at most.

    Holds at most `max_keys` names and addresses; what failed longest ago is forgotten first. Certificates don't pass here, so a lock never
    keeps out the holder of a right one.
    """

    def __init__(
        self, *, failures: int = 5, first_lock_s: float = 60, longest_lock_s: float = 300, forget_s: float = 900, max_keys: int = 1024
    ) -> None:
        self._failures = failures
        self._first_lock_s = first_lock_s
        self._longest_lock_s = longest_lock_s
        self._forget_s = forget_s
        self._max_keys = max_keys
        self._entries: OrderedDict[str, _Failures] = OrderedDict()

    def locked_s(self, now: float, key: str) -> float:
        """Give the seconds for which a key is still locked, 0 when it is not."""
        entry = self._entries.get(key)
        return max(0.0, entry.locked_until - now) if entry else 0.0

    def failed(self, now: float, key: str) -> float:
        """Count a failure; returns the seconds of the lock that it starts, else 0."""
        entry = self._entries.get(key)
        if entry is None or now - entry.last > self._forget_s:
            entry = self._entries[key] = _Failures()
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_keys:
            self._entries.popitem(last=False)
        entry.last = now
        entry.count += 1
        if entry.count % self._failures:
            return 0.0
        lock = entry.next_lock_s or self._first_lock_s
        entry.next_lock_s = min(lock * 2, self._longest_lock_s)
        entry.locked_until = now + lock
        return lock

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._entries.pop(key, None)
