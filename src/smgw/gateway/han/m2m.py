"""The machine interface of the consumer: the JSON calls of today's gateways, without HTTP.

Every scalar of an answer is a string, because published clients rely on it.
Source: CON-02; 30-han-consumer-interface 0, 1.3–1.12.
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from smgw.core.errors import PeerFault
from smgw.core.instant import parse_time, utc_text
from smgw.core.obis import Obis
from smgw.core.profiles import ConsumerProfile
from smgw.core.quantity import Quantity, Unit
from smgw.core.reading import Reading, SignedReading
from smgw.core.register import RegisterValue
from smgw.core.status_word import METER_IDENTIFICATION, to_hex_lsb_first
from smgw.gateway.han.ports import Channel, ConsumerData, Contract, Credit
from smgw.gateway.han.session import SelfTestLock, Shown
from smgw.storage.journal import StoredLogEntry

VERSION = "1.3.0"
MAX_BODY = 64 * 1024
MAX_RECORDS = 50_000
MAX_LOG_ENTRIES = 1500
LONGEST_RANGE = timedelta(days=31)
DATABASES = ("origin", "derived", "calculated", "daily")
_CONSUMER_NAME, _CONTRACT_NAME = "01005e318011", "01005e318021"
_MOMENTARY = frozenset({Unit.WATT, Unit.VOLT_AMPERE, Unit.VAR, Unit.AMPERE, Unit.VOLT, Unit.HERTZ, Unit.DEGREE})
_LOG_COMBINATIONS = frozenset(
    frozenset(names.split())
    for names in (
        "",
        "fromtime",
        "totime",
        "fromtime totime",
        "fromindex",
        "count",
        "fromindex count",
        "fromtime count",
        "fromtime totime count",
    )
)


class M2mReply(NamedTuple):
    """Hold what to send back: an HTTP status and a JSON body."""

    status: int
    body: bytes


class _ChannelName(msgspec.Struct):
    channel: str


class _Request(msgspec.Struct, rename="kebab"):
    method: str
    usage_point_id: str | None = None
    database: str | None = None
    channels: list[_ChannelName] | None = None
    last_reading: bool | str | None = None
    fromtime: str | None = None
    totime: str | None = None
    fromindex: int | str | None = None
    count: int | str | None = None


_DECODER = msgspec.json.Decoder(_Request)


def user_id(consumer: ConsumerProfile) -> str:
    """Give the consumer's canonical name, the part of the address between `/smgw/m2m/` and `/json`."""
    return f"{_CONSUMER_NAME}.{consumer.consumer_id}"


def log_entry(item: StoredLogEntry, language: str, user: str, vendor: str) -> dict[str, str]:
    """Give a log entry as the `log` call answers it."""
    return {
        "event-id": str(item.entry.kind.number),
        "event-sub-id": "0",
        "index": str(item.index),
        "level": str(int(item.entry.kind.level)),
        "message": item.entry.text(language),
        "outcome": "0" if item.entry.success else "1",
        "subject-identity": item.entry.subject,
        "time": _second(item.entry.time),
        "user-identity": user,
        "vendor-id": vendor,
        "version": "1",
    }


def usage_point_id(contract: Contract) -> str:
    """Give the contract's full logical name."""
    return f"{_CONTRACT_NAME}.{contract.profile.profile_id}"


class M2mCalls:
    """Answer the methods for consumers who are logged in."""

    def __init__(self, data: ConsumerData, *, seconds: Callable[[], float], shown: Callable[[Shown], None]) -> None:
        self._data = data
        self._seconds = seconds
        self._shown = shown
        self.self_test_lock = SelfTestLock()
        self._methods: Mapping[str, Callable[[ConsumerProfile, _Request], dict[str, Any] | None]] = {
            "smgw-info": self._smgw_info,
            "user-info": self._user_info,
            "usage-point-info": self._usage_point_info,
            "readings": self._readings,
            "current-values": self._current_values,
            "device-state": self._device_state,
            "log": self._log,
            "self-test": self._self_test,
        }

    def is_named(self, consumer: ConsumerProfile, name: str) -> bool:
        """Tell whether an address names this consumer: the canonical name, or what users are told to type."""
        short = consumer.consumer_id.removesuffix(".sm")
        gateway = str(self._data.gateway_info().device_id)
        names = (user_id(consumer), short, f"{short}.sm", consumer.user_name, f"{consumer.user_name}.sm", gateway, f"{gateway}.sm")
        return name.casefold() in {known.casefold() for known in names}

    def start_self_test(self) -> None:
        """Start a self-test, for page and machine alike. Raises: PeerFault m2m.self_test_locked."""
        self.self_test_lock.take(self._seconds())
        self._data.start_self_test()

    def call(self, consumer: ConsumerProfile, body: bytes) -> M2mReply:
        """Carry out one request body; broken ones get their status and a short JSON text."""
        started = self._seconds()
        method = ""
        try:
            request = _decode(body)
            method = request.method
            content = self._method(method)(consumer, request)
        except PeerFault as fault:
            status = 403 if fault.code == "m2m.self_test_locked" else 400
            answer = {"method": method, "version": VERSION, "error": f"{fault.title} ({fault})"}
            return M2mReply(status, msgspec.json.encode(answer))
        elapsed = round((self._seconds() - started) * 1000)
        envelope: dict[str, Any] = {"elapsed-time": f"{elapsed} miliseconds", "method": method, "version": VERSION}
        if content is not None:
            envelope[method] = content
        return M2mReply(200, msgspec.json.encode(envelope))

    def _method(self, name: str) -> Callable[[ConsumerProfile, _Request], dict[str, Any] | None]:
        if name not in self._methods:
            raise PeerFault("m2m.method", name[:40])
        return self._methods[name]

    def _smgw_info(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        info = self._data.gateway_info()
        wan = [
            {"cert-index": str(index), "sig": pair.signature.hex(), "sub-ca": pair.issuer.hex()}
            for index, pair in enumerate(info.wan_certificates)
        ]
        return {
            "certificates": {"han": {"tls": ssl.DER_cert_to_PEM_cert(info.han_certificate).encode().hex()}, "wan": wan},
            "firmware-info": {"component": "Firmware", "hash": info.firmware_hash, "version": info.firmware_version},
            "smgw-id": str(info.device_id).lower(),
            "smgw-state": to_hex_lsb_first(info.gateway_status, 0)[:8],
            "smgw-time": _second(info.time).removesuffix("Z"),
        }

    def _device_state(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        """Tell what the lamps of the device show, so that nobody has to look at it. Source: STATE-02."""
        info = self._data.gateway_info()
        return {
            "clock": info.clock_status,
            "leds": [{"name": led.name, "pattern": led.pattern, "phases-ms": [str(width) for width in led.phases_ms]} for led in info.leds],
            "operating-state": info.state,
            "smgw-state": to_hex_lsb_first(info.gateway_status, 0)[:8],
            "time": _second(info.time),
        }

    def _user_info(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        return {"usage-points": [_usage_point(contract) for contract in self._data.contracts(consumer.consumer_id)]}

    def _usage_point_info(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        contract = self._contract(consumer, request.usage_point_id)
        wanted = DATABASES if request.database is None else (_database(request.database),)
        databases = [
            {"channels": [_channel(name, channel) for name, channel in channels.items()], "database": database}
            for database in wanted
            if (channels := _channels(contract, database))
        ]
        return {
            "databases": databases,
            "emts": list(contract.profile.recipients),
            "taf-profile": contract.signed_profile.hex(),
            "transparency-bit": "false",
            "usage-point-id": usage_point_id(contract),
            "usage-point-name": contract.profile.usage_point_name,
        }

    def _contract(self, consumer: ConsumerProfile, name: str | None) -> Contract:
        if name is None:
            raise PeerFault("m2m.parameter", "usage-point-id")
        for contract in self._data.contracts(consumer.consumer_id):
            if name.casefold() in (usage_point_id(contract).casefold(), contract.profile.profile_id.casefold()):
                return contract
        raise PeerFault("m2m.usage_point", name[:60])

    def _readings(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        contract = self._contract(consumer, request.usage_point_id)
        database = _database(request.database)
        channels = _asked(_channels(contract, database), request.channels)
        newest_only = _flag(request.last_reading)
        if newest_only:
            after, until = contract.profile.valid_from - LONGEST_RANGE, self._data.gateway_info().time
        else:
            after, until = _range(request)
        rows: dict[str, list[dict[str, Any]]]
        if database == "origin":
            rows, incomplete = self._origin(contract, channels, after, until, newest_only)
        else:
            rows, incomplete = self._derived(contract, channels, after, until, newest_only), False
        count = sum(len(of_channel) for of_channel in rows.values())
        self._shown(Shown(consumer.consumer_id, contract.profile.profile_id, consumer.user_name, count))
        answer: dict[str, Any] = {
            # A client takes the first value of every channel of the newest values, so an empty channel must not stand there.
            "channels": [{"obis": name, "readings": found} for name, found in rows.items() if found or not newest_only],
            "records": str(count),
        }
        return answer | {"incomplete": "true"} if incomplete else answer

    def _origin(
        self, contract: Contract, channels: Mapping[str, Channel], after: datetime, until: datetime, newest_only: bool
    ) -> tuple[dict[str, list[dict[str, Any]]], bool]:
        codes = [channel.obis for channel in channels.values()]
        if newest_only:
            signed_readings, incomplete = self._data.last_readings(contract, codes), False
        else:
            signed_readings = self._data.readings(contract, codes, after=after, until=until, limit=MAX_RECORDS + 1)
            incomplete = len(signed_readings) > MAX_RECORDS
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in channels}
        for signed in signed_readings[:MAX_RECORDS]:
            quantity = signed.reading.quantity
            if quantity is not None:
                name = signed.reading.obis.hex
                rows[name].append(_original(signed, quantity.rescale(channels[name].scaler)))
        return rows, incomplete

    def _derived(
        self, contract: Contract, channels: Mapping[str, Channel], after: datetime, until: datetime, newest_only: bool
    ) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in channels}
        by_obis = {channel.obis: name for name, channel in channels.items()}
        for value in self._data.registers(contract, after=after, until=until):
            name = by_obis.get(value.obis)
            if name is not None and value.quantity is not None:
                rows[name].append(_register(value, value.quantity.rescale(channels[name].scaler)))
        return {name: found[-1:] if newest_only else found for name, found in rows.items()}

    def _current_values(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        """Give what is sent on and not stored, and the credit of a prepaid contract; a call of this gateway's own."""
        contract = self._contract(consumer, request.usage_point_id)
        values = self._data.current(contract)
        credit = self._data.credit(contract)
        self._shown(Shown(consumer.consumer_id, contract.profile.profile_id, consumer.user_name, len(values)))
        answer: dict[str, Any] = {
            "channels": [_current(reading) for reading in values if reading.quantity is not None],
            "records": str(sum(reading.quantity is not None for reading in values)),
            "usage-point-id": usage_point_id(contract),
        }
        return answer if credit is None else answer | {"credit": _credit(credit)}

    def _log(self, consumer: ConsumerProfile, request: _Request) -> dict[str, Any]:
        texts = {"fromtime": request.fromtime or None, "totime": request.totime or None}
        numbers = {"fromindex": _positive("fromindex", request.fromindex), "count": _positive("count", request.count)}
        given = frozenset(name for name, value in (texts | numbers).items() if value is not None)
        if given not in _LOG_COMBINATIONS:
            raise PeerFault("m2m.parameter", " and ".join(sorted(given)))
        since, until = (parse_time(text) if text else None for text in texts.values())
        stored = self._data.log(
            consumer.consumer_id,
            since=since,
            until=until,
            from_index=numbers["fromindex"],
            count=min(numbers["count"] or MAX_LOG_ENTRIES, MAX_LOG_ENTRIES),
        )
        vendor = self._data.gateway_info().device_id.manufacturer
        entries = [log_entry(item, consumer.language, user_id(consumer), vendor) for item in stored]
        return {"entries": entries, "records": str(len(entries))}

    def _self_test(self, consumer: ConsumerProfile, request: _Request) -> None:
        self.start_self_test()


def _decode(body: bytes) -> _Request:
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise PeerFault("m2m.body", str(problem)[:120]) from problem


def _second(moment: datetime) -> str:
    return utc_text(moment.replace(microsecond=0))


def _flag(value: bool | str | None) -> bool:
    if isinstance(value, str):
        if value.casefold() not in ("true", "false"):
            raise PeerFault("m2m.parameter", "last-reading")
        return value.casefold() == "true"
    return bool(value)


def _positive(name: str, value: int | str | None) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 16 else 0
    if not 0 < value < 1 << 53:
        raise PeerFault("m2m.parameter", name)
    return value


def _range(request: _Request) -> tuple[datetime, datetime]:
    if not request.fromtime or not request.totime:
        raise PeerFault("m2m.parameter", "fromtime and totime, or last-reading")
    after, until = parse_time(request.fromtime), parse_time(request.totime)
    if not after <= until <= after + LONGEST_RANGE:
        raise PeerFault("m2m.range", f"{request.fromtime[:40]} to {request.totime[:40]}")
    return after, until


def _database(name: str | None) -> str:
    if name is None or name not in DATABASES:
        raise PeerFault("m2m.parameter" if name is None else "m2m.database", "database" if name is None else name[:40])
    return name


def _channels(contract: Contract, database: str) -> dict[str, Channel]:
    """Name the channels of one database; TAF 1 and 7 show counters only there, because clients know no other unit in them."""
    profile = contract.profile
    if database == "origin":
        counters_only = profile.taf in (1, 7)
        shown = (channel for channel in contract.channels if not (counters_only and channel.unit in _MOMENTARY))
        return {channel.obis.hex: channel for channel in shown}
    if database == "derived" and profile.taf != 7:
        return {f"{channel.obis.hex}.{profile.meter_id.lower()}.sm": channel for channel in contract.channels}
    return {}


def _asked(channels: Mapping[str, Channel], names: list[_ChannelName] | None) -> dict[str, Channel]:
    """Keep the channels that were asked for; well-formed names that the contract does not have are left out."""
    if names is None:
        return dict(channels)
    wanted = set()
    for name in names:
        try:
            wanted.add(Obis.parse(name.channel.split(".")[0] if len(name.channel) > 12 and name.channel[12] == "." else name.channel))
        except PeerFault as fault:
            raise PeerFault("m2m.parameter", "channel") from fault
    return {name: channel for name, channel in channels.items() if channel.obis in wanted}


def _channel(name: str, channel: Channel) -> dict[str, str]:
    return {"obis": name, "scaler": str(channel.scaler), "unit": str(channel.unit)}


def _usage_point(contract: Contract) -> dict[str, Any]:
    profile = contract.profile
    return {
        "billing-Periods": [{"end-time": _second(period.end), "start-time": _second(period.start)} for period in contract.billing_periods],
        "capture-time": "00:00:00",
        "delivery-id": profile.recipients[0].removesuffix(".sm") if profile.recipients else "",
        "end-time": _second(profile.valid_to) if profile.valid_to else "",
        "meter": [{"meter-id": profile.meter_id.lower()}],
        "metering-point-id": profile.metering_point_id,
        "on-demand-profile-configured": "false",
        "start-time": _second(profile.valid_from),
        "taf-number": str(profile.taf),
        "taf-state": contract.state,
        "usage-point-id": usage_point_id(contract),
        "usage-point-name": profile.usage_point_name,
    }


def _row(
    captured: datetime, target: datetime, words: tuple[int, int], owner: str, signature: str | None, shown: Quantity
) -> dict[str, Any]:
    status = to_hex_lsb_first(*words)
    return {
        "capture-time": _second(captured),
        "cosem-status": status,
        "meter-status": status[8:],
        "owner-number": owner,
        "signature": signature,
        "smgw-status": status[:8],
        "target-time": _second(target),
        "value": str(shown.raw),
    }


def _original(signed: SignedReading, shown: Quantity) -> dict[str, Any]:
    reading: Reading = signed.reading
    words = (reading.gateway_status, reading.meter_status)
    owner = f"{reading.meter_id.lower()}.sm"
    return _row(reading.capture_time, reading.target_time, words, owner, signed.signature.hex() or None, shown)


def _current(reading: Reading) -> dict[str, Any]:
    words = (reading.gateway_status, reading.meter_status)
    owner, shown = f"{reading.meter_id.lower()}.sm", Quantity(reading.raw or 0, reading.scaler, reading.unit)
    row = _row(reading.capture_time, reading.target_time, words, owner, None, shown)
    return {"obis": reading.obis.hex, "readings": [row], "scaler": str(reading.scaler), "unit": str(reading.unit)}


def _credit(credit: Credit) -> dict[str, str]:
    left = credit.remaining
    return {
        "cut-off": "true" if credit.cut_off else "false",
        "level": credit.level,
        "remaining": str(left.raw),
        "scaler": str(left.scaler),
        "unit": str(left.unit),
    }


def _register(value: RegisterValue, shown: Quantity) -> dict[str, Any]:
    words = (value.gateway_status, METER_IDENTIFICATION)
    return _row(value.created_at, value.period_end, words, value.profile_id, None, shown)
