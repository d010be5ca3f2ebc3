"""The objects of each phase: both orders of integration, the phase under way, and the annex's two summaries word for word."""

import pytest

from smgw.core.errors import UsageError
from smgw.core.key_inventory import (
    PHASE_OBJECTS,
    Difference,
    Place,
    compare,
    completed_phases,
    expected_objects,
    generation_suffix,
    pair_names,
    split_generation,
)
from smgw.core.life_cycle import OPERATIONAL, Action, Life, Mark, Phase, after, step

KINDS = ("TLS", "SIG", "ENC")

MODULE_AFTER_PRE_PERSONALISATION_2 = {
    "GW_PIN",
    "ROOT_WAN_SIG_CRT",
    *("GW_WAN_TLS_PRV_PRE", "GW_WAN_TLS_PUB_PRE", "GW_WAN_SIG_PRV_PRE", "GW_WAN_SIG_PUB_PRE", "GW_WAN_ENC_PRV_PRE", "GW_WAN_ENC_PUB_PRE"),
    *("GW_WAN_TLS_CRT_PRE", "GW_WAN_SIG_CRT_PRE", "GW_WAN_ENC_CRT_PRE"),
    *("GWADM_TLS_PUB", "GWADM_SIG_PUB", "GWADM_ENC_PUB", "GWADM_AUT_PUB"),
}
"""TR-03109-1 Annex VI, 2.3.1, lines 387 to 405; the storage key is optional there ("ggf.")."""
GATEWAY_AFTER_PRE_PERSONALISATION_2 = {
    *("GW_PIN", "GW_STORAGE_KEY", "GWADM_CHAIN", "GWADM_ADDRESS"),
    *("GWADM_TLS_CRT", "GWADM_SIG_CRT", "GWADM_ENC_CRT", "GWADM_AUT_CRT"),
}
"""Lines 406 to 416."""
ADDED_BY_PERSONALISATION = {
    Place.MODULE: {f"GW_WAN_{kind}_{half}" for kind in KINDS for half in ("PRV", "PUB")},
    Place.GATEWAY: {f"GW_WAN_{kind}_CRT" for kind in KINDS},
}
"""2.3.3, lines 509 to 528."""

FIRST_PRE_1 = (Action.IMPORT_ROOT, Action.MAKE_PROVISIONAL_KEYS, Action.IMPORT_SEAL, Action.MAKE_STORAGE_KEY, Action.PAIR_MODULE)
FIRST_INTEGRATION = (Action.MAKE_STORAGE_KEY, Action.PAIR_MODULE, Action.IMPORT_ROOT, Action.MAKE_PROVISIONAL_KEYS, Action.IMPORT_SEAL)


def walk(*actions: Action) -> Life:
    life = Life(Phase.MANUFACTURED)
    for action in actions:
        life = after(life, step(life, action))
    return life


@pytest.mark.parametrize("order", [FIRST_PRE_1, FIRST_INTEGRATION])
@pytest.mark.req("LIFE-10", "LIFE-03", "LIFE-04")
def test_both_orders_of_integration_end_with_the_annexs_list(order: tuple[Action, ...]) -> None:
    life = walk(*order, Action.LOAD_CONFIGURATION, Action.ERASE_IMPORT_KEYS)
    assert life.phase is Phase.INSTALLATION
    assert expected_objects(life, Place.MODULE).required == MODULE_AFTER_PRE_PERSONALISATION_2
    assert expected_objects(life, Place.MODULE).optional == {"GW_STORAGE_KEY"}
    assert expected_objects(life, Place.GATEWAY).required == GATEWAY_AFTER_PRE_PERSONALISATION_2
    installed = Life(Phase.PERSONALISATION, life.marks)
    for place in Place:
        assert expected_objects(installed, place).required == expected_objects(life, place).required


@pytest.mark.req("LIFE-10")
def test_a_gateway_at_work_holds_what_the_annex_lists() -> None:
    module, gateway = (expected_objects(OPERATIONAL, place) for place in Place)
    assert module.required == MODULE_AFTER_PRE_PERSONALISATION_2 | ADDED_BY_PERSONALISATION[Place.MODULE]
    assert gateway.required == GATEWAY_AFTER_PRE_PERSONALISATION_2 | ADDED_BY_PERSONALISATION[Place.GATEWAY]
    assert "GW_HAN_TLS_PRV" in module.optional


@pytest.mark.parametrize("order", [FIRST_PRE_1, FIRST_INTEGRATION])
@pytest.mark.req("LIFE-10")
def test_after_the_first_of_the_two_only_its_objects_are_there(order: tuple[Action, ...]) -> None:
    pre_first = order is FIRST_PRE_1
    life = walk(*order[: 3 if pre_first else 2])
    done = completed_phases(life)
    assert (Phase.PRE_PERSONALISATION_1 in done, Phase.INTEGRATION in done) == (pre_first, not pre_first)
    required = expected_objects(life, Place.MODULE).required
    assert ("ROOT_WAN_SIG_CRT" in required, "GW_PIN" in required) == (pre_first, not pre_first)
    assert pair_names("IMPORT")[0] in required


@pytest.mark.req("LIFE-10", "LIFE-06")
def test_the_phase_under_way_may_have_begun() -> None:
    life = walk(*FIRST_PRE_1)
    assert life.phase is Phase.PRE_PERSONALISATION_2
    imported = set(pair_names("IMPORT"))
    before = MODULE_AFTER_PRE_PERSONALISATION_2 - {f"GWADM_{kind}_PUB" for kind in (*KINDS, "AUT")}
    for held in (before | imported, before | imported | {"GWADM_TLS_PUB"}, MODULE_AFTER_PRE_PERSONALISATION_2):
        assert compare(life, held, Place.MODULE) == []
    later = Life(Phase.INSTALLATION, life.marks | {Mark.CONFIGURATION})
    assert compare(later, before | imported, Place.MODULE) == [
        *(Difference(Place.MODULE, f"GWADM_{kind}_PUB", True) for kind in ("AUT", "ENC", "SIG", "TLS")),
        Difference(Place.MODULE, "IMPORT_PRV", False),
        Difference(Place.MODULE, "IMPORT_PUB", False),
    ]


@pytest.mark.req("LIFE-10", "LIFE-11")
def test_nothing_is_left_at_the_end() -> None:
    life = Life(Phase.DECOMMISSIONED, frozenset(Mark))
    for place in Place:
        assert expected_objects(life, place) == (frozenset(), frozenset())
        assert compare(life, ["GW_WAN_TLS_PRV"], place) == [Difference(place, "GW_WAN_TLS_PRV", False)]


def test_a_new_module_holds_the_import_key_alone() -> None:
    life = Life(Phase.MANUFACTURED)
    assert compare(life, pair_names("IMPORT"), Place.MODULE) == []
    assert compare(life, (), Place.GATEWAY) == []
    assert [one.missing for one in compare(life, (), Place.MODULE)] == [True, True]


def test_every_row_names_where_it_stands() -> None:
    assert all(row.clause for row in PHASE_OBJECTS)


@pytest.mark.parametrize(
    ("key", "split", "pair"),
    [
        ("GW_WAN_TLS", ("GW_WAN_TLS", 1), ("GW_WAN_TLS_PRV", "GW_WAN_TLS_PUB")),
        ("GW_WAN_TLS_PRE", ("GW_WAN_TLS_PRE", 1), ("GW_WAN_TLS_PRV_PRE", "GW_WAN_TLS_PUB_PRE")),
        ("GW_WAN_ENC_G2", ("GW_WAN_ENC", 2), ("GW_WAN_ENC_G2_PRV", "GW_WAN_ENC_G2_PUB")),
        ("GW_WAN_ENC_G37", ("GW_WAN_ENC", 37), ("GW_WAN_ENC_G37_PRV", "GW_WAN_ENC_G37_PUB")),
        ("GW_WAN_ENC_G1", ("GW_WAN_ENC_G1", 1), ("GW_WAN_ENC_G1_PRV", "GW_WAN_ENC_G1_PUB")),
        ("GW_WAN_ENC_G02", ("GW_WAN_ENC_G02", 1), ("GW_WAN_ENC_G02_PRV", "GW_WAN_ENC_G02_PUB")),
    ],
)
def test_names_of_keys(key: str, split: tuple[str, int], pair: tuple[str, str]) -> None:
    assert split_generation(key) == split
    assert pair_names(key) == pair


def test_generations_have_a_range() -> None:
    assert [generation_suffix(number) for number in (1, 2, 10, 999)] == ["", "_G2", "_G10", "_G999"]
    for number in (0, -1, 1000):
        with pytest.raises(UsageError, match=r"module\.generation"):
            generation_suffix(number)
    assert all(split_generation(f"K{generation_suffix(number)}") == ("K", number) for number in (1, 2, 9, 10, 99, 100, 999))
