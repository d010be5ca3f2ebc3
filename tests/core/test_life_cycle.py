"""The table of a gateway's life is complete: every phase is reached, both orders of integration lead on, nothing leads out of the end."""

import itertools

import pytest

from smgw.core.errors import DomainFault
from smgw.core.life_cycle import (
    MARKS,
    OPERATIONAL,
    PHASES,
    RULES,
    Action,
    Actor,
    Life,
    Mark,
    Phase,
    after,
    phases_of,
    possible,
    step,
)
from smgw.core.log_event import EVENTS

pytestmark = pytest.mark.req("LIFE-01")

NEW = Life(Phase.MANUFACTURED)
A = Action
SEAL_FIRST = [A.IMPORT_ROOT, A.MAKE_PROVISIONAL_KEYS, A.IMPORT_SEAL, A.MAKE_STORAGE_KEY, A.PAIR_MODULE]
MODULE_FIRST = [A.MAKE_STORAGE_KEY, A.PAIR_MODULE, A.IMPORT_ROOT, A.MAKE_PROVISIONAL_KEYS, A.IMPORT_SEAL]
REST = [
    A.LOAD_CONFIGURATION,
    A.ERASE_IMPORT_KEYS,
    A.FINISH_INSTALLATION,
    A.MAKE_OPERATIONAL_KEYS,
    A.INSTALL_OPERATIONAL_CERTIFICATES,
    A.BEGIN_OPERATION,
    A.SYNCHRONISE_TIME,
    A.TEST_ITSELF,
    A.INSTALL_PROFILE,
    A.PAIR_METER,
    A.ANNOUNCE_END,
    A.DECOMMISSION,
]


def walk(actions: list[Action], life: Life = NEW) -> list[Life]:
    """Do actions one after another; gives where each led."""
    lives = [life]
    for action in actions:
        lives.append(after(lives[-1], step(lives[-1], action)))
    return lives


def test_every_phase_and_mark_is_described_and_every_action_stands_in_the_table() -> None:
    assert list(PHASES) == list(Phase)
    assert set(MARKS) == set(Mark)
    assert {rule.action for rule in RULES} == set(Action)
    assert {rule.actor for rule in RULES} == set(Actor)
    assert {event for rule in RULES for event in rule.events} <= set(EVENTS)
    assert {mark for rule in RULES for mark in rule.gives} == set(Mark)


@pytest.mark.req("LIFE-04")
@pytest.mark.parametrize("beginning", [SEAL_FIRST, MODULE_FIRST])
def test_both_orders_of_integration_lead_to_the_same_place(beginning: list[Action]) -> None:
    lives = walk(beginning + REST)
    met = list(dict.fromkeys(life.phase for life in lives))
    assert set(met) == set(Phase)
    assert lives[len(beginning)] == Life(
        Phase.PRE_PERSONALISATION_2, frozenset({Mark.ROOT, Mark.PROVISIONAL_KEYS, Mark.SEAL, Mark.STORAGE_KEY, Mark.PAIRED})
    )
    assert [phase for phase in met if phase not in (Phase.PRE_PERSONALISATION_1, Phase.INTEGRATION)] == [
        phase for phase in Phase if phase not in (Phase.PRE_PERSONALISATION_1, Phase.INTEGRATION)
    ]
    assert lives[-1] == Life(Phase.DECOMMISSIONED, frozenset(Mark))


def reachable() -> set[Life]:
    """Give every place that any order of actions leads to."""
    found, new = {NEW}, {NEW}
    while new:
        new = {after(life, step(life, action)) for life in new for action in possible(life)} - found
        found |= new
    return found


def test_every_reachable_place_leads_on_to_the_end() -> None:
    lives = reachable()
    assert {life.phase for life in lives} == set(Phase)
    for life in lives:
        ahead = {life}
        while not any(one.phase is Phase.DECOMMISSIONED for one in ahead):
            grown = ahead | {after(one, step(one, action)) for one in ahead for action in possible(one)}
            assert grown != ahead, life
            ahead = grown


def test_no_phase_is_entered_twice_and_nothing_leads_back() -> None:
    """Only the two whose order is free may follow each other either way, and then only once."""
    free = {Phase.PRE_PERSONALISATION_1, Phase.INTEGRATION}
    order = list(Phase)
    for rule in RULES:
        if rule.after is not None and not {rule.phase, rule.after} <= free:
            assert order.index(rule.after) > order.index(rule.phase)
    for life in reachable():
        if life.phase in free:
            assert not {Mark.SEAL, Mark.PAIRED} <= life.marks


@pytest.mark.parametrize(("phase", "action"), list(itertools.product(Phase, Action)))
def test_an_action_of_another_phase_is_refused_with_the_phase_it_needs(phase: Phase, action: Action) -> None:
    if phase in phases_of(action):
        return
    with pytest.raises(DomainFault) as caught:
        step(Life(phase, frozenset(Mark)), action)
    assert caught.value.code == "lifecycle.phase"
    assert all(needed in caught.value.detail for needed in phases_of(action))
    assert phase in caught.value.detail


def test_what_must_be_done_before_is_named() -> None:
    with pytest.raises(DomainFault, match=r"lifecycle\.order: import_seal: first the provisional keys are made"):
        step(Life(Phase.PRE_PERSONALISATION_1, frozenset({Mark.ROOT})), Action.IMPORT_SEAL)
    with pytest.raises(DomainFault, match=r"lifecycle\.order: import_root: it was done already"):
        step(Life(Phase.PRE_PERSONALISATION_1, frozenset({Mark.ROOT})), Action.IMPORT_ROOT)


@pytest.mark.req("LIFE-09")
def test_normal_operation_begins_in_the_order_of_the_annex() -> None:
    life = walk(SEAL_FIRST + REST[:6])[-1]
    for action in (A.SYNCHRONISE_TIME, A.TEST_ITSELF, A.INSTALL_PROFILE, A.PAIR_METER):
        later = [A.TEST_ITSELF, A.INSTALL_PROFILE, A.PAIR_METER, A.MEASURE]
        later = later[later.index(action) + 1 :] if action in later else later
        for premature in later:
            with pytest.raises(DomainFault, match=r"lifecycle\.order"):
                step(life, premature)
        life = after(life, step(life, action))
    assert step(life, A.MEASURE).after is None
    assert life == OPERATIONAL


@pytest.mark.req("LIFE-06")
def test_integrator_and_first_configurator_have_different_rights() -> None:
    rights = {actor: {rule.action for rule in RULES if rule.actor is actor} for actor in Actor}
    assert not rights[Actor.INTEGRATOR] & rights[Actor.FIRST_CONFIGURATOR]
    local = rights[Actor.INTEGRATOR] | rights[Actor.FIRST_CONFIGURATOR]
    later = {Phase.PERSONALISATION, Phase.NORMAL_OPERATION, Phase.DECOMMISSIONED}
    assert all(not later & set(phases_of(action)) for action in local)


@pytest.mark.req("LIFE-11")
def test_the_end_is_final() -> None:
    assert possible(Life(Phase.DECOMMISSIONED, frozenset(Mark))) == []
