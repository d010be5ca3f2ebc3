"""Sessions, what of them is logged, and the lock between self-tests: time only passes where the test lets it."""

import hashlib

import pytest

from smgw.core.errors import PeerFault
from smgw.gateway.han.session import IDLE_S, LONGEST_S, Presence, SelfTestLock, Sessions, Shown, ShownValues

A, B = Shown("c1", "taf7", "flat1", 5), Shown("c1", "taf1", "flat1", 1)


def sessions(most: int = 256) -> Sessions:
    numbers = iter(range(1000))
    return Sessions(lambda count: hashlib.shake_256(str(next(numbers)).encode()).digest(count), most=most)


def test_a_foreign_or_ended_cookie_finds_nothing() -> None:
    store = sessions()
    cookie = store.open("c1", 0)
    assert store.find("x", 0) is None and store.find("\udc80", 0) is None
    store.end(cookie)
    store.end(cookie)
    assert store.find(cookie, 0) is None


@pytest.mark.req("CON-01")
def test_idle_and_longest_time() -> None:
    store = sessions()
    cookie = store.open("c1", 0)
    now = 0.0
    while now + IDLE_S <= LONGEST_S:
        now += IDLE_S
        assert store.find(cookie, now) is not None
    assert store.find(cookie, LONGEST_S + 1) is None
    idle = store.open("c1", 0)
    assert store.find(idle, IDLE_S + 1) is None
    assert store.find(idle, 1) is None


def test_tokens_differ_between_sessions_and_memory_is_bounded() -> None:
    store = sessions(most=3)
    cookies = [store.open("c1", second) for second in range(6)]
    found = [store.find(cookie, 6) for cookie in cookies]
    assert [session is not None for session in found] == [False] * 3 + [True] * 3
    assert len({session.form_token for session in found if session}) == 3
    store.open("c1", 10_000)
    assert len(store) == 1


@pytest.mark.req("LOG-01")
def test_presence_logs_a_client_once_while_it_stays() -> None:
    presence = Presence(most=2)
    assert presence.arrived(0, "c1", "10.0.0.1", "m2m")
    assert not any(presence.arrived(second, "c1", "10.0.0.1", "m2m") for second in range(0, 6000, 599))
    assert presence.arrived(0, "c1", "10.0.0.2", "m2m")
    assert presence.arrived(20_000, "c1", "10.0.0.1", "m2m")
    assert presence.arrived(20_000, "c2", "x") and presence.arrived(20_000, "c1", "10.0.0.2", "m2m")


@pytest.mark.req("LOG-03")
def test_values_are_reported_at_once_then_gathered_and_none_is_lost() -> None:
    shown = ShownValues()
    reported = [item for second in range(0, 5000, 100) for item in shown.add(second, A)]
    assert reported[0] == A
    reported += shown.due(5000, everything=True)
    assert sum(item.values for item in reported) == 50 * A.values
    assert len(reported) < 10
    assert shown.due(5000, everything=True) == []


def test_contracts_are_gathered_apart_and_nothing_read_is_nothing_reported() -> None:
    shown = ShownValues()
    assert shown.add(0, A) == [A] and shown.add(0, B) == [B]
    assert shown.add(1, A._replace(values=0)) == []
    assert shown.add(0, A._replace(contract="empty", values=0)) == []


def test_self_test_lock() -> None:
    lock = SelfTestLock()
    assert lock.remaining_s(0) == 0
    lock.take(0)
    assert (lock.remaining_s(0), lock.remaining_s(0.5), lock.remaining_s(599.1), lock.remaining_s(600)) == (600, 600, 1, 0)
    with pytest.raises(PeerFault, match=r"^m2m\.self_test_locked$"):
        lock.take(599)
    lock.take(600)
