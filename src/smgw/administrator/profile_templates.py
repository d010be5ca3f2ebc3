"""Profiles for the common contracts, made from a few facts: what an administrator would otherwise write by hand for every household.

A template gives whole profiles, in the order in which they are installed; each can be changed before it is put in force.
Source: ADM-02; 20-wan-crypto-pki 1.12, 3.2.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from smgw.core.errors import DomainFault, PeerFault
from smgw.core.identifiers import DeviceId, is_logical_name, server_id_of
from smgw.core.profiles import CommunicationProfile, ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile

IMPORT, EXPORT, POWER = "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:16.7.0*255"
QUARTER_HOUR_S, HOUR_S = 900, 3_600

Medium = Literal["electricity", "gas", "water", "heat", "cold"]


class Sector(NamedTuple):
    """Say how the meters of a sector are read."""

    medium: Medium
    register: RegisterProfile
    period_s: int


SECTORS: dict[str, Sector] = {
    "1": Sector("electricity", RegisterProfile(IMPORT), QUARTER_HOUR_S),
    "5": Sector("cold", RegisterProfile("5-0:1.0.0*255", shown_scaler=0, unit=30), HOUR_S),
    "6": Sector("heat", RegisterProfile("6-0:1.0.0*255", shown_scaler=0, unit=30), HOUR_S),
    "7": Sector("gas", RegisterProfile("7-0:3.0.0*255", shown_scaler=-2, unit=13), HOUR_S),
    "8": Sector("water", RegisterProfile("8-0:1.0.0*255", shown_scaler=-3, unit=13), HOUR_S),
    "9": Sector("water", RegisterProfile("9-0:1.0.0*255", shown_scaler=-3, unit=13), HOUR_S),
}
"""First digit of a meter's DIN id -> its sector; 8 is cold water, 9 hot water."""


class Consumer(NamedTuple):
    """Hold what a consumer's profile needs; the digests of name and password are made where the password is known."""

    consumer_id: str
    user_name: str
    digest_md5: str
    digest_sha256: str


class Order(NamedTuple):
    """Hold the facts that templates are filled from."""

    meters: tuple[str, ...]
    """DIN ids; what each stands for says the template."""
    consumers: tuple[Consumer, ...]
    supplier: CommunicationProfile
    grid: CommunicationProfile
    """The grid operator; may be the supplier again."""
    metering_points: tuple[str, ...]
    """One for each meter."""
    begins: datetime
    ends: datetime | None = None
    link: str = "meter1"
    version: int = 1
    label: str = ""
    """Goes into the names of the contracts, so that those of several orders stand beside one another in one gateway."""


class Template(NamedTuple):
    """Describe one template."""

    title: str
    title_de: str
    meters: str
    """What the meters of an order are, in their order."""
    least: int
    most: int
    tenants: bool
    """Whether each meter may have a consumer of its own."""
    make: Callable[[Order], list[Profile]]


def fill(name: str, order: Order) -> list[Profile]:
    """Make the profiles of a template. Raises: DomainFault command.template with what is missing or does not fit."""
    template = TEMPLATES.get(name)
    _require(template is not None, f"there is no template {name[:40]!r}; there are {', '.join(TEMPLATES)}")
    assert template is not None
    _require(template.least <= len(order.meters) <= template.most, f"meters: {template.meters}")
    _require(len(set(order.meters)) == len(order.meters), "meters: one stands there twice")
    _require(len(order.metering_points) == len(order.meters), "metering points: one for each meter")
    wanted = (1, len(order.meters)) if template.tenants else (1,)
    _require(len(order.consumers) in wanted, "consumers: one" + (", or one for each meter" if template.tenants else ""))
    _require(all(is_logical_name(consumer.consumer_id) for consumer in order.consumers), "consumers: write them like `consumer1.sm`")
    _require(order.ends is None or order.ends > order.begins, "end: before the beginning")
    _require(is_logical_name(f"taf1-{order.label}1.sm") and len(order.label) <= 32, "label: 32 letters, digits and `-` at most")
    partners = {order.supplier.partner_id: order.supplier, order.grid.partner_id: order.grid}
    consumers = [
        ConsumerProfile(one.consumer_id, one.user_name, one.digest_md5, one.digest_sha256, version=order.version) for one in order.consumers
    ]
    return [*partners.values(), *consumers, *template.make(order)]


def _household(order: Order) -> list[Profile]:
    """Take one meter: series for the grid operator, monthly reading for the supplier."""
    return [_meter(order, 0, (IMPORT,)), *_standard(order, 0, (IMPORT,))]


def _photovoltaics(order: Order) -> list[Profile]:
    """Take a two-way meter, with the present feed-in for the grid operator beyond a limit."""
    present = {"recipient": order.grid.partner_id, "interval_s": 900, "thresholds": [{"register": POWER, "below": -5_000}]}
    return [
        _meter(order, 0, (IMPORT, EXPORT)),
        *_standard(order, 0, (IMPORT, EXPORT)),
        _contract(order, 0, 9, (POWER,), order.grid, "present feed-in", rules=present),
    ]


def _controlled_load(order: Order) -> list[Profile]:
    """Take a household's meter and that of a controllable load: reduced grid fees by time, and a record of each control action."""
    stages = {"stages": [1, 2, 3], "week": ["all"] * 7, "days": {"all": {"00:00": 3, "06:00": 1, "17:00": 2, "21:00": 1, "23:00": 3}}}
    return [
        *_household(order),
        _meter(order, 1, (IMPORT,)),
        *_standard(order, 1, (IMPORT,)),
        _contract(order, 1, 2, (IMPORT,), order.grid, "grid fee by time", delivery="billing", rules=stages),
        _contract(order, 1, 11, (IMPORT,), order.grid, "control record"),
    ]


def _landlord(order: Order) -> list[Profile]:
    """Take the house's meter and one for each flat, each with its own consumer."""
    made: list[Profile] = []
    for index in range(len(order.meters)):
        codes = (IMPORT, EXPORT) if index == 0 else (IMPORT,)
        made += [_meter(order, index, codes), *_standard(order, index, codes)]
    return made


def _sub_metering(order: Order) -> list[Profile]:
    """Take meters of other sectors, told apart by the first digit of their id; each is read for its monthly bill."""
    made: list[Profile] = []
    for index, meter in enumerate(order.meters):
        sector = sector_of(meter)
        meter_profile = _meter(order, index, (), medium=sector.medium, registers=(sector.register,), period_s=sector.period_s)
        made += [meter_profile, *_standard(order, index, (sector.register.obis,), sector.period_s)]
    return made


TEMPLATES: dict[str, Template] = {
    "household": Template("Household", "Haushalt", "one electricity meter", 1, 1, False, _household),
    "photovoltaics": Template(
        "Household with photovoltaics", "Haushalt mit Photovoltaik", "one two-way electricity meter", 1, 1, False, _photovoltaics
    ),
    "controlled-load": Template(
        "Heat pump or wallbox under section 14a", "Wärmepumpe oder Wallbox nach § 14a", "the household's meter, then the load's",
        2, 2, False, _controlled_load,
    ),
    "landlord": Template(
        "Landlord model with several tenants", "Mieterstrom mit mehreren Mietern", "the house's meter, then one for each flat",
        2, 40, True, _landlord,
    ),
    "sub-metering": Template(
        "Gas, water and heat in a house", "Gas, Wasser und Wärme im Haus", "meters of gas (7), water (8, 9), heat (6) or cold (5)",
        1, 40, True, _sub_metering,
    ),
}  # fmt: skip
"""Name -> template."""


def sector_of(meter_id: str) -> Sector:
    """Give a meter's sector by the first digit of its DIN id. Raises: DomainFault command.template."""
    sector = SECTORS.get(meter_id[:1])
    _require(sector is not None, f"{meter_id[:20]}: begins with none of {', '.join(SECTORS)}")
    assert sector is not None
    return sector


def _meter(
    order: Order, index: int, codes: Iterable[str], *, medium: Medium = "electricity", registers: tuple[RegisterProfile, ...] = (),
    period_s: int = QUARTER_HOUR_S,
) -> MeterProfile:  # fmt: skip
    meter_id = order.meters[index]
    try:
        device = DeviceId.parse(meter_id)
    except PeerFault as problem:
        raise DomainFault("command.template", f"meters: {meter_id[:20]} is no device id") from problem
    return MeterProfile(
        meter_id=str(device),
        server_id=server_id_of(device).hex(),
        registers=registers or tuple(map(RegisterProfile, codes)),
        link=order.link,
        medium=medium,
        period_s=period_s,
        version=order.version,
    )


def _standard(order: Order, index: int, codes: tuple[str, ...], period_s: int = QUARTER_HOUR_S) -> list[Profile]:
    return [
        _contract(order, index, 7, codes, order.grid, "series", period_s=period_s),
        _contract(order, index, 1, codes, order.supplier, "monthly reading", delivery="billing", period_s=period_s),
    ]


def _contract(
    order: Order, index: int, taf: int, codes: tuple[str, ...], recipient: CommunicationProfile, label: str,
    *, delivery: Literal["period", "daily", "billing"] = "daily", rules: Mapping[str, Any] | None = None, period_s: int = QUARTER_HOUR_S,
) -> EvaluationProfile:  # fmt: skip
    consumer = order.consumers[index if len(order.consumers) > 1 else 0]
    return EvaluationProfile(
        profile_id=f"taf{taf}-{order.label}{index + 1}.sm",
        taf=taf,
        meter_id=order.meters[index],
        registers=codes,
        consumer_id=consumer.consumer_id,
        usage_point_name=f"TAF{taf} {label}",
        metering_point_id=order.metering_points[index],
        valid_from=order.begins,
        valid_to=order.ends,
        period_s=period_s,
        recipients=(recipient.partner_id,),
        delivery=delivery,
        rules=dict(rules or {}),
        version=order.version,
    )


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise DomainFault("command.template", what)
