"""Sessions end by themselves, and their number is bounded."""

import pytest

from smgw.administrator.sessions import IDLE_S, LIMIT, LOCK_S, SESSION_S, WRONG_PASSWORDS, Sessions

pytestmark = pytest.mark.req("ADM-13")


def test_a_session_lives_while_it_is_used_and_eight_hours_at_most() -> None:
    sessions = Sessions()
    key = sessions.begin("op1", 1, 0.0)
    now = 0.0
    while now + IDLE_S - 1 < SESSION_S:
        now += IDLE_S - 1
        assert sessions.use(key, now) is not None
    assert sessions.use(key, SESSION_S) is None
    assert sessions.use(key, now) is None


def test_an_idle_session_ends() -> None:
    sessions = Sessions()
    key = sessions.begin("op1", 1, 0.0)
    assert sessions.use(key, IDLE_S) is None


def test_keys_are_long_and_never_the_same() -> None:
    sessions = Sessions()
    keys = {sessions.begin("op1", 1, 0.0) for _ in range(50)}
    forms = {session.form_key for key in keys if (session := sessions.use(key, 1.0)) is not None}
    assert len(keys) == len(forms) == 50
    assert all(len(key) >= 43 for key in keys | forms)


def test_the_oldest_give_way() -> None:
    sessions = Sessions()
    keys = [sessions.begin("op1", 1, 0.0) for _ in range(LIMIT + 3)]
    assert [sessions.use(key, 1.0) is None for key in keys[:4]] == [True, True, True, False]


def test_a_lock_ends_and_a_right_password_forgets() -> None:
    sessions = Sessions()
    assert [sessions.wrong("op1", 0.0) for _ in range(WRONG_PASSWORDS)] == [False] * (WRONG_PASSWORDS - 1) + [True]
    assert sessions.is_locked("op1", LOCK_S - 1) and not sessions.is_locked("op2", 0.0)
    assert not sessions.is_locked("op1", LOCK_S)
    for _ in range(WRONG_PASSWORDS - 1):
        sessions.wrong("op2", 0.0)
    sessions.right("op2")
    assert not sessions.wrong("op2", 0.0)


def test_names_that_are_guessed_do_not_fill_the_memory() -> None:
    sessions = Sessions()
    for number in range(LIMIT * 2):
        sessions.wrong(f"name{number}", 0.0)
    assert len(sessions._wrong) <= LIMIT
