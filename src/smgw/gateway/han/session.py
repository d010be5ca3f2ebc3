"""Sessions at the consumer interface: how long a log-in lasts, what of it is logged, and the lock between two self-tests.

Time comes in as seconds that only ever grow, so that neither a clock step nor simulated time shortens a session.
Source: CON-01; 30-han-consumer-interface 1.1 and 1.11.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from smgw.core.errors import PeerFault

LONGEST_S = 48 * 3600
IDLE_S = 600
SELF_TEST_LOCK_S = 600


class _Life:
    """Bound the life of one thing: 48 h at most, 10 min without use."""

    __slots__ = ("last_used", "started")

    def __init__(self, now: float) -> None:
        self.started = now
        self.last_used = now

    def alive(self, now: float) -> bool:
        return now - self.started <= LONGEST_S and now - self.last_used <= IDLE_S


class Session(NamedTuple):
    """Name who is logged in, and the token that a form of this session must carry."""

    consumer_id: str
    form_token: str


class Sessions:
    """Hold the browser sessions; a cookie is 32 random octets of which only the hash is kept. At most `most` sessions live at once."""

    def __init__(self, random: Callable[[int], bytes], *, most: int = 256) -> None:
        self._random = random
        self._most = most
        self._key = random(32)
        self._sessions: OrderedDict[str, tuple[str, _Life]] = OrderedDict()

    def open(self, consumer_id: str, now: float) -> str:
        """Start a session; returns the cookie's value."""
        self._prune(now)
        cookie = self._random(32).hex()
        self._sessions[_hash(cookie)] = (consumer_id, _Life(now))
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str, now: float) -> Session | None:
        """Give the live session of a cookie and mark it used, or None when it is over or never was."""
        name = _hash(cookie)
        consumer_id, life = self._sessions.get(name, ("", None))
        if life is None or not life.alive(now):
            self._sessions.pop(name, None)
            return None
        life.last_used = now
        self._sessions.move_to_end(name)
        return Session(consumer_id, self._form_token(name))

    def end(self, cookie: str) -> None:
        """End a session for good."""
        self._sessions.pop(_hash(cookie), None)

    def _form_token(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), "sha256").hexdigest()

    def _prune(self, now: float) -> None:
        for name in [name for name, (_, life) in self._sessions.items() if not life.alive(now)]:
            del self._sessions[name]

    def __len__(self) -> int:
        return len(self._sessions)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()


class Presence:
    """Decide when a request is a new log-in worth an entry: a client that comes back within 10 minutes is still the same one.

    Without this a client that asks every second would fill the consumer's log. At most `most` clients are remembered.
    """

    def __init__(self, *, most: int = 1024) -> None:
        self._most = most
        self._clients: OrderedDict[tuple[str, ...], _Life] = OrderedDict()

    def arrived(self, now: float, *client: str) -> bool:
        """Note a request of a client; True when it begins a new session."""
        life = self._clients.get(client)
        new = life is None or not life.alive(now)
        if new or life is None:
            life = self._clients[client] = _Life(now)
        life.last_used = now
        self._clients.move_to_end(client)
        while len(self._clients) > self._most:
            self._clients.popitem(last=False)
        return new


class Shown(NamedTuple):
    """Count values that one user read of one contract."""

    consumer_id: str
    contract: str
    user: str
    values: int


class ShownValues:
    """Gather what was read into few log entries: the first read at once, what follows every 15 minutes. Source: LOG-03."""

    def __init__(self, *, every_s: float = 900) -> None:
        self._every_s = every_s
        self._pending: dict[tuple[str, str, str], tuple[float, int]] = {}

    def add(self, now: float, shown: Shown) -> list[Shown]:
        """Add what was read; returns what is to be logged now."""
        key = (shown.consumer_id, shown.contract, shown.user)
        if key not in self._pending:
            self._pending[key] = (now, 0)
            return [shown] if shown.values else []
        since, count = self._pending[key]
        self._pending[key] = (since, count + shown.values)
        return self.due(now)

    def due(self, now: float, *, everything: bool = False) -> list[Shown]:
        """Take out what waited long enough, or everything; whoever reads nothing for as long is forgotten."""
        ripe = {key: count for key, (since, count) in self._pending.items() if everything or now - since >= self._every_s}
        for key, count in ripe.items():
            if count and not everything:
                self._pending[key] = (now, 0)
            else:
                del self._pending[key]
        return [Shown(*key, count) for key, count in ripe.items() if count]


class SelfTestLock:
    """Keep 600 s between two self-tests of the gateway."""

    def __init__(self) -> None:
        self._started = float("-inf")

    def remaining_s(self, now: float) -> int:
        """Give the whole seconds until the next self-test may start, 0 when it may now."""
        rest = self._started + SELF_TEST_LOCK_S - now
        return max(0, -int(-rest // 1)) if rest > 0 else 0

    def take(self, now: float) -> None:
        """Start the lock. Raises: PeerFault m2m.self_test_locked while it holds."""
        if self.remaining_s(now):
            raise PeerFault("m2m.self_test_locked")
        self._started = now
