"""Templates: what they make is taken by a gateway as it stands, in its order; what does not fit is said."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.gateway.gateway_parts import START, communication_profile

from smgw.administrator.profile_templates import TEMPLATES, Consumer, Order, fill
from smgw.core.errors import DomainFault
from smgw.core.profiles import PROFILE_KINDS, EvaluationProfile, MeterProfile, Profile
from smgw.pki.profile_rules import check_profile

SUPPLIER = communication_profile(15103)
GRID = msgspec.structs.replace(SUPPLIER, partner_id="grid1.sm")
BEGINS = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
METERS = {
    "household": ("1SGW0010000001",),
    "photovoltaics": ("1SGW0010000001",),
    "controlled-load": ("1SGW0010000001", "1SGW0010000002"),
    "landlord": ("1SGW0010000001", "1SGW0010000002", "1SGW0010000003"),
    "sub-metering": ("7SGW0010000001", "8SGW0010000002", "6SGW0010000003", "9SGW0010000004"),
}


def consumers(count: int) -> tuple[Consumer, ...]:
    return tuple(Consumer(f"consumer{n}.sm", f"user{n}", f"{n:032x}", f"{n:064x}") for n in range(1, count + 1))


def order(name: str, **changes: object) -> Order:
    meters = METERS[name]
    points = tuple(f"DE{number:031d}" for number in range(len(meters)))
    held = consumers(len(meters) if TEMPLATES[name].tenants else 1)
    return Order(meters, held, SUPPLIER, GRID, points, BEGINS)._replace(**changes)


@pytest.mark.req("ADM-02", "TAF-23", "LMN-07")
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_gateway_takes_what_a_template_makes(name: str) -> None:
    installed: dict[str, list[Profile]] = {kind: [] for kind in PROFILE_KINDS}
    made = fill(name, order(name, ends=datetime(2027, 3, 31, 22, 0, tzinfo=UTC)))
    for profile in made:
        check_profile(profile, installed, START)
        kind = next(kind for kind, type_ in PROFILE_KINDS.items() if isinstance(profile, type_))
        installed[kind].append(msgspec.json.decode(msgspec.json.encode(profile), type=type(profile)))
    contracts = [profile for profile in made if isinstance(profile, EvaluationProfile)]
    assert {contract.meter_id for contract in contracts} == set(METERS[name])
    if TEMPLATES[name].tenants:
        assert len({contract.consumer_id for contract in contracts}) == len(METERS[name])


@pytest.mark.req("MEAS-02")
def test_each_sector_has_its_register_and_period() -> None:
    meters = [profile for profile in fill("sub-metering", order("sub-metering")) if isinstance(profile, MeterProfile)]
    assert [(meter.medium, meter.registers[0].obis, meter.period_s) for meter in meters] == [
        ("gas", "7-0:3.0.0*255", 3600),
        ("water", "8-0:1.0.0*255", 3600),
        ("heat", "6-0:1.0.0*255", 3600),
        ("water", "9-0:1.0.0*255", 3600),
    ]


def test_a_label_tells_the_contracts_of_several_orders_apart() -> None:
    names = {one.profile_id for one in fill("household", order("household", label="flat7-")) if isinstance(one, EvaluationProfile)}
    assert names == {"taf7-flat7-1.sm", "taf1-flat7-1.sm"}


@pytest.mark.req("CON-05")
def test_what_a_house_feeds_in_is_delivered_too() -> None:
    contracts = [one for one in fill("landlord", order("landlord")) if isinstance(one, EvaluationProfile)]
    assert {one.registers for one in contracts if one.meter_id == METERS["landlord"][0]} == {("1-0:1.8.0*255", "1-0:2.8.0*255")}


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("nothing", {}, "there is no template"),
        ("household", {"meters": ()}, "one electricity meter"),
        ("controlled-load", {"meters": ("1SGW0010000001",) * 2}, "twice"),
        ("landlord", {"consumers": consumers(2)}, "one for each meter"),
        ("household", {"consumers": consumers(2)}, "consumers: one"),
        ("household", {"metering_points": ()}, "one for each meter"),
        ("household", {"meters": ("meter one",)}, "no device id"),
        ("household", {"ends": BEGINS}, "before the beginning"),
        ("sub-metering", {"meters": ("4SGW0010000001", "8SGW0010000002", "6SGW0010000003", "9SGW0010000004")}, "begins with none of"),
        ("household", {"label": "flat 7"}, "label"),
    ],
)
def test_what_does_not_fit_is_said(name: str, changes: dict[str, object], says: str) -> None:
    with pytest.raises(DomainFault, match=says) as fault:
        fill(name, order(name if name in METERS else "household", **changes))
    assert fault.value.code == "command.template"
