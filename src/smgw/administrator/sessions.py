"""Sessions of the console: random, kept in memory, ended by log-out, 15 idle minutes, eight hours, or a change of the user's password.

Times are monotonic real time, for people do not live faster where time is simulated. Source: ADM-13.
"""

import hmac
import secrets
from typing import NamedTuple

IDLE_S = 15 * 60
SESSION_S = 8 * 3_600
LIMIT = 256
WRONG_PASSWORDS = 5
LOCK_S = 15 * 60


class Session(NamedTuple):
    """Hold one session."""

    user: str
    changed: int
    """The user's count of changes when the session began."""
    form_key: str
    """Stands in each form, so that no foreign page can send one."""
    ends_s: float
    idle_s: float

    def owns(self, form_key: str) -> bool:
        """Tell whether a form came from a page of this session."""
        return hmac.compare_digest(self.form_key.encode(), form_key.encode(errors="surrogatepass"))


class Sessions:
    """Keep sessions, and who gave wrong passwords."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._wrong: dict[str, tuple[int, float]] = {}

    def begin(self, user: str, changed: int, now_s: float) -> str:
        """Begin a session; returns its secret name."""
        self._sessions = {key: session for key, session in self._sessions.items() if _lives(session, now_s)}
        while len(self._sessions) >= LIMIT:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_urlsafe(32)
        self._sessions[key] = Session(user, changed, secrets.token_urlsafe(32), now_s + SESSION_S, now_s + IDLE_S)
        return key

    def use(self, key: str, now_s: float) -> Session | None:
        """Give a living session, and let it live on."""
        session = self._sessions.get(key)
        if session is None or not _lives(session, now_s):
            self._sessions.pop(key, None)
            return None
        self._sessions[key] = session._replace(idle_s=now_s + IDLE_S)
        return session

    def end(self, key: str) -> None:
        """End a session."""
        self._sessions.pop(key, None)

    def is_locked(self, user: str, now_s: float) -> bool:
        """Tell whether too many wrong passwords were given for a name."""
        count, until_s = self._wrong.get(user, (0, 0.0))
        return count >= WRONG_PASSWORDS and until_s > now_s

    def wrong(self, user: str, now_s: float) -> bool:
        """Count a wrong password; tells whether the user is locked by it."""
        self._wrong = {name: entry for name, entry in self._wrong.items() if entry[1] > now_s}
        if len(self._wrong) >= LIMIT and user not in self._wrong:
            del self._wrong[next(iter(self._wrong))]
        count = self._wrong.get(user, (0, 0.0))[0] + 1
        self._wrong[user] = count, now_s + LOCK_S
        return count >= WRONG_PASSWORDS

    def right(self, user: str) -> None:
        """Forget the wrong passwords of a name."""
        self._wrong.pop(user, None)


def _lives(session: Session, now_s: float) -> bool:
    return session.ends_s > now_s and session.idle_s > now_s
