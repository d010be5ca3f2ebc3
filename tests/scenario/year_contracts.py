"""Whom and what the simulated year is about: meters, consumers, partners, and contracts of every use case that stores something."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from smgw.core.identifiers import DeviceId, server_id_of
from smgw.core.instant import local_day, local_midnight
from smgw.core.profiles import ConsumerProfile, EvaluationProfile, MeterProfile, Profile, RegisterProfile

GATEWAY_ID = "ESGW0000000001"
PARTICIPANT, PORTAL = "emt1.sm", "portal.sm"
OWNER, TENANT = "consumer1.sm", "consumer2.sm"
IMPORT, EXPORT, POWER, VOLUME = "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:16.7.0*255", "7-0:3.0.0*255"

WORK = {"00:00": 1, "06:00": 2, "17:00": 3, "20:00": 2, "22:00": 1}
REST = {"00:00": 1, "10:00": 2, "18:00": 1}


class Device(NamedTuple):
    """Name one meter, its link, and which household it shows."""

    link: str
    medium: str
    number: int
    registers: tuple[RegisterProfile, ...]
    household: str
    period_s: int = 900

    @property
    def device_id(self) -> DeviceId:
        """Give the id on its case."""
        return DeviceId("7" if self.medium == "gas" else "1", "SGW", 0, self.number)

    @property
    def meter_id(self) -> str:
        """Give the printable id."""
        return str(self.device_id)

    def profile(self, version: int = 1, *, active: bool = True) -> MeterProfile:
        """Admit it, or take it away."""
        return MeterProfile(
            self.meter_id,
            server_id_of(self.device_id).hex(),
            self.registers,
            self.link,
            medium=self.medium,  # type: ignore[arg-type]
            period_s=self.period_s,
            active=active,
            version=version,
        )


HOUSE = Device("house", "electricity", 10_000_001, (RegisterProfile(IMPORT), RegisterProfile(EXPORT)), "prosumer")
FLAT = Device("flat", "electricity", 10_000_002, (RegisterProfile(IMPORT),), "flat")
FLAT_NEW = Device("flat", "electricity", 10_000_003, (RegisterProfile(IMPORT),), "flat")
"""The meter that takes the place of the flat's first one in the middle of the run."""
GAS = Device("gas", "gas", 10_000_004, (RegisterProfile(VOLUME, -2, 13),), "household", 3600)
STRANGER = Device("flat", "electricity", 10_000_009, (RegisterProfile(IMPORT),), "flat")
DEVICES = (HOUSE, FLAT, FLAT_NEW, GAS)


class Span(NamedTuple):
    """Hold when the run starts, when calendars, contracts and the flat's meter change, and when it ends."""

    start: datetime
    middle: datetime
    """The first of a month."""
    end: datetime


def span_of(first: date, days: int) -> Span:
    """Give the run of so many local days; the change comes with the first of a month that is nearest to its middle."""
    last = first + timedelta(days=days)
    firsts = [day for day in (first + timedelta(days=number) for number in range(1, days)) if day.day == 1]
    if not firsts:
        raise ValueError("a run needs the first of a month inside")
    middle = min(firsts, key=lambda day: abs((day - first).days * 2 - days))
    return Span(local_midnight(first), local_midnight(middle), local_midnight(last))


def consumers() -> list[ConsumerProfile]:
    """Give the owner of the house, who also has the gas, and the tenant of the flat."""
    return [ConsumerProfile(OWNER, "owner", "0" * 32, "0" * 64), ConsumerProfile(TENANT, "tenant", "1" * 32, "1" * 64)]


def _contract(taf: int, name: str, device: Device, start: datetime, delivery: str = "billing", **changes: Any) -> EvaluationProfile:
    values: dict[str, Any] = {
        "profile_id": f"taf{taf}-{name}.sm",
        "taf": taf,
        "meter_id": device.meter_id,
        "registers": tuple(register.obis for register in device.registers),
        "consumer_id": TENANT if device.link == "flat" else OWNER,
        "usage_point_name": f"TAF{taf} {name}",
        "metering_point_id": f"DE{device.number:031d}",
        "valid_from": start,
        "period_s": device.period_s,
        "recipients": (PARTICIPANT,),
        "delivery": delivery,
    }
    return EvaluationProfile(**{**values, **changes})


def first_contracts(span: Span) -> list[EvaluationProfile]:
    """Give what is installed before the run starts, in the order of installation."""
    start, middle, never = span.start, span.middle, span.start + timedelta(days=1000)
    first_day = local_day(start)
    calendar = {
        "stages": [1, 2, 3],
        "days": {"work": WORK, "rest": REST, "feast": {"00:00": 1}},
        "week": ["work"] * 5 + ["rest"] * 2,
        "yearly": {"12-25": "feast", "12-26": "feast", "01-01": "feast"},
        "special": {str(first_day + timedelta(days=number)): "rest" for number in (2, 40)},
    }
    owner = {"consumer_id": OWNER, "recipient": PORTAL, "valid_from": (start - timedelta(days=1)).isoformat()}
    threshold = {"register": POWER, "above": 5_000}
    return [
        _contract(1, "house", HOUSE, start),
        _contract(1, "gas", GAS, start, billing_months=3),
        _contract(2, "house", HOUSE, start, valid_to=middle, rules=calendar),
        _contract(3, "house", HOUSE, start, valid_to=never, rules={"stages": [1, 2, 3], "thresholds": [500, 3_000]}),
        _contract(4, "house", HOUSE, start, valid_to=never, rules={"stages": [1, 2, 3], "thresholds": [150_000, 400_000]}),
        _contract(6, "house", HOUSE, start),
        _contract(7, "house", HOUSE, start, "daily"),
        _contract(7, "gas", GAS, start, "daily"),
        _contract(8, "house", HOUSE, start, valid_to=never, rules={"span": "month"}),
        _contract(9, "house", HOUSE, start, "period", registers=(POWER,), rules={"recipient": PARTICIPANT, "thresholds": [threshold]}),
        _contract(10, "house", HOUSE, start, "period", registers=(POWER,), rules={"recipient": PARTICIPANT, "interval_s": 3_600}),
        _contract(11, "house", HOUSE, start),
        _contract(13, "house", HOUSE, start, "daily", recipients=(PORTAL,), rules={"contract": "taf7-house.sm", "consent": owner}),
        *_flat_contracts("flat", FLAT, start, middle),
    ]


def second_contracts(span: Span) -> list[Profile]:
    """Give what follows in the middle: another calendar, the flat's other meter, and its contracts."""
    middle, never = span.middle, span.middle + timedelta(days=1000)
    calendar = {
        "stages": [1, 2],
        "days": {"all": {"00:00": 1, "07:00": 2, "21:30": 1}, "sunday": {"00:00": 1}},
        "week": ["all"] * 6 + ["sunday"],
        "special": {str(local_day(middle) + timedelta(days=2)): "sunday"},
    }
    return [
        FLAT_NEW.profile(),
        _contract(2, "summer", HOUSE, middle, valid_to=never, rules=calendar),
        *_flat_contracts("new", FLAT_NEW, middle, never),
    ]


def _flat_contracts(name: str, device: Device, start: datetime, end: datetime) -> list[EvaluationProfile]:
    events = {"stages": [1, 2], "events": {"low": 1, "high": 2}, "default": 1, "latency_s": 900}
    return [
        _contract(1, name, device, start, valid_to=end),
        _contract(5, name, device, start, valid_to=end, rules=events),
        _contract(7, name, device, start, "daily", valid_to=end),
        _contract(12, name, device, start, valid_to=end, rules={"warning": 20_000, "scaler": 0}),
    ]
