"""Telegrams of wireless meters after OMS, security profile B: authenticated and encrypted by a key that meter and gateway share.

A telegram is verified first, then decrypted, then read; each has its own reason to refuse it. Both session keys come from the meter's key
and a counter by AES-CMAC, so a key never encrypts two telegrams. What comes in clear, or is encrypted but not authenticated, is refused.
The check sequences of the radio layer are the receiver's affair; octets here have none.
Source: LMN-04; 10-lmn-meter-protocols 4.1, 9.1; OMS Specification Volume 2 issue 4, EN 13757-3, -4 and -7.
"""

import hmac
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from smgw.core.errors import DecodeFault, SecurityFault
from smgw.core.obis import Obis

KEY_OCTETS: Final = 16
MAC_OCTETS: Final = 8
MAX_TELEGRAM: Final = 256
"""Octets of one telegram at most: a length of one octet, and what it counts."""

_ELL_SHORT, _AFL, _TPL_SHORT, _TPL_LONG = 0x8C, 0x90, 0x7A, 0x72
_MAC_PRESENT, _COUNTER_PRESENT, _CONTROL_PRESENT = 0x0400, 0x0800, 0x2000
_FRAGMENT_CONTROL = _MAC_PRESENT | _COUNTER_PRESENT | _CONTROL_PRESENT
_MESSAGE_CONTROL: Final = 0x25
"""Counter present, CMAC of eight octets."""
_PROFILE_B: Final = 7
_KEY_FROM_METER: Final = 0x10
"""Key derivation by the message counter; the persistent key that meter and gateway share."""
_FILLER: Final = 0x2F
_ZERO: Final = bytes(16)

WATT_HOUR, CUBIC_METRE = 30, 13
_CODES: Final[dict[int, tuple[int, tuple[int, ...]]]] = {
    0x02: (WATT_HOUR, (1, 0, 1, 8, 0, 255)),
    0x03: (CUBIC_METRE, (7, 0, 3, 0, 0, 255)),
    0x04: (WATT_HOUR, (6, 0, 1, 0, 0, 255)),
    0x06: (CUBIC_METRE, (9, 0, 1, 0, 0, 255)),
    0x07: (CUBIC_METRE, (8, 0, 1, 0, 0, 255)),
}
"""Type of the device -> unit (DLMS) of its main register, and the register's OBIS code; for M-Bus has none on the wire."""
_INTEGER_OCTETS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_BCD_OCTETS: Final = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_OTHER_OCTETS: Final = {0: 0, 5: 4, 8: 0}


class Telegram(NamedTuple):
    """Hold a telegram whose form is right; its content is neither verified nor decrypted."""

    server_id: bytes
    """`01`, manufacturer, number, version and type, as meters are named in profiles."""
    counter: int
    mac: bytes
    covered: bytes
    """What the MAC covers."""
    encrypted: bytes

    @property
    def device_type(self) -> int:
        """Give the type of the device."""
        return self.server_id[8]

    @property
    def number(self) -> bytes:
        """Give the meter's number as it goes into the derivation of keys."""
        return self.server_id[3:7]


class Amount(NamedTuple):
    """Hold the main register."""

    code: Obis
    raw: int
    scaler: int
    unit: int


def read_telegram(octets: bytes) -> Telegram:
    """Read a telegram's layers.

    Raises: DecodeFault oms.structure; SecurityFault oms.unprotected for any other protection than profile B.
    """
    if not 12 <= len(octets) <= MAX_TELEGRAM or octets[0] != len(octets) - 1:
        raise DecodeFault("oms.structure", f"length {octets[:1].hex()} of {len(octets)} octets")
    sender, rest = octets[2:10], octets[10:]
    if rest[0] == _ELL_SHORT:
        rest = rest[3:]
    if rest[:1] != bytes((_AFL,)):
        raise SecurityFault("oms.unprotected", f"control information {rest[:1].hex()}")
    length = rest[1] if len(rest) > 1 else 0
    control, message = int.from_bytes(rest[2:4], "little"), rest[4:5]
    if length != 2 + 1 + 4 + MAC_OCTETS or len(rest) < 2 + length:
        raise SecurityFault("oms.unprotected", f"authentication of {length} octets")
    if control != _FRAGMENT_CONTROL or message != bytes((_MESSAGE_CONTROL,)):
        raise SecurityFault("oms.unprotected", f"authentication {control:04x} {message.hex()}")
    counter, mac, transport = rest[5:9], rest[9:17], rest[17:]
    address, head = _transport(transport, sender)
    access_status_configuration = transport[head - 5 : head]
    configuration = int.from_bytes(access_status_configuration[2:4], "little")
    if configuration >> 8 & 0x1F != _PROFILE_B or access_status_configuration[4] != _KEY_FROM_METER:
        raise SecurityFault("oms.unprotected", f"configuration {configuration:04x}")
    encrypted = transport[head:]
    if not encrypted or len(encrypted) != 16 * (configuration >> 4 & 0xF):
        raise DecodeFault("oms.structure", f"{len(encrypted)} octets encrypted")
    return Telegram(b"\x01" + address, int.from_bytes(counter, "little"), mac, message + counter + transport, encrypted)


def _transport(transport: bytes, sender: bytes) -> tuple[bytes, int]:
    """Give the meter's address and the length of the transport layer's head."""
    if transport[:1] == bytes((_TPL_SHORT,)) and len(transport) >= 6:
        return sender, 6
    if transport[:1] == bytes((_TPL_LONG,)) and len(transport) >= 14:
        # Behind a radio adapter the meter's own address stands here, its number first.
        number, maker, version_and_type = transport[1:5], transport[5:7], transport[7:9]
        return maker + number + version_and_type, 14
    raise DecodeFault("oms.structure", f"transport {transport[:1].hex()}")


def session_keys(key: bytes, counter: int, number: bytes) -> tuple[bytes, bytes]:
    """Derive the keys that encrypt and authenticate one telegram of a meter."""
    tail = counter.to_bytes(4, "little") + number + b"\x07" * 7
    return _cmac(key, b"\x00" + tail), _cmac(key, b"\x01" + tail)


def open_telegram(telegram: Telegram, key: bytes) -> bytes:
    """Verify, then decrypt. Raises: SecurityFault oms.mac for a changed telegram or another key."""
    encryption, authentication = session_keys(key, telegram.counter, telegram.number)
    if not hmac.compare_digest(_cmac(authentication, telegram.covered)[:MAC_OCTETS], telegram.mac):
        raise SecurityFault("oms.mac", telegram.server_id.hex())
    decryptor = Cipher(algorithms.AES(encryption), modes.CBC(_ZERO)).decryptor()
    content = decryptor.update(telegram.encrypted) + decryptor.finalize()
    if content[:2] != bytes((_FILLER, _FILLER)):
        raise DecodeFault("oms.structure", "content does not begin with its filler")
    return content


def main_register(content: bytes, device_type: int) -> Amount:
    """Find the current value of the main register in decrypted content. Raises: DecodeFault oms.structure, oms.value when there is none."""
    if device_type not in _CODES:
        raise DecodeFault("oms.value", f"device type {device_type:02x}")
    unit, code = _CODES[device_type]
    at = 0
    while at < len(content):
        dif = content[at]
        at += 1
        if dif == _FILLER:
            continue
        extended, at = _skip_extensions(content, at, dif)
        if at >= len(content):
            break
        vif = content[at]
        extended_vif, at = _skip_extensions(content, at + 1, vif)
        octets, value = _value(dif & 0x0F, content, at)
        at += octets
        # An instantaneous value of the present, without tariff: neither function bits nor storage number nor extensions.
        if value is not None and not dif & 0xF0 and not extended and not extended_vif:
            if unit == WATT_HOUR and vif <= 0x07:
                return Amount(Obis(*code), value, vif - 3, unit)
            if unit == CUBIC_METRE and 0x10 <= vif <= 0x17:
                return Amount(Obis(*code), value, vif - 0x10 - 6, unit)
    raise DecodeFault("oms.value", f"no main register of a device of type {device_type:02x}")


def _skip_extensions(content: bytes, at: int, first: int) -> tuple[bool, int]:
    extended, octet = bool(first & 0x80), first
    while octet & 0x80:
        if at >= len(content):
            raise DecodeFault("oms.structure", "record cut off")
        octet = content[at]
        at += 1
    return extended, at


def _value(kind: int, content: bytes, at: int) -> tuple[int, int | None]:
    """Give how many octets a value takes, and the value if it is a number that can be a register's."""
    if kind in _INTEGER_OCTETS:
        length = _INTEGER_OCTETS[kind]
        number: int | None = int.from_bytes(content[at : at + length], "little", signed=True)
    elif kind in _BCD_OCTETS:
        length = _BCD_OCTETS[kind]
        digits = content[at : at + length][::-1].hex()
        number = int(digits) if digits.isdecimal() else None
    elif kind in _OTHER_OCTETS:
        length, number = _OTHER_OCTETS[kind], None
    elif kind == 0x0D and at < len(content) and content[at] <= 0xBF:
        length, number = 1 + content[at], None
    else:
        raise DecodeFault("oms.structure", f"data field {kind:x}")
    if at + length > len(content):
        raise DecodeFault("oms.structure", "record cut off")
    return length, number


def write_telegram(server_id: bytes, key: bytes, counter: int, records: bytes) -> bytes:
    """Make what a meter sends, for simulated ones: records authenticated and encrypted by profile B."""
    encryption, authentication = session_keys(key, counter, server_id[3:7])
    content = bytes((_FILLER, _FILLER)) + records
    content += bytes((_FILLER,)) * (-len(content) % 16)
    encryptor = Cipher(algorithms.AES(encryption), modes.CBC(_ZERO)).encryptor()
    configuration = _PROFILE_B << 8 | len(content) // 16 << 4
    access = counter & 0xFF
    head = bytes((_TPL_SHORT, access, 0)) + configuration.to_bytes(2, "little") + bytes((_KEY_FROM_METER,))
    transport = head + encryptor.update(content) + encryptor.finalize()
    covered = bytes((_MESSAGE_CONTROL,)) + counter.to_bytes(4, "little") + transport
    mac = _cmac(authentication, covered)[:MAC_OCTETS]
    layer = bytes((_AFL, 2 + 1 + 4 + MAC_OCTETS)) + _FRAGMENT_CONTROL.to_bytes(2, "little") + covered[:5] + mac
    body = b"\x44" + server_id[1:9] + bytes((_ELL_SHORT, 0x20, access)) + layer + transport
    return bytes((len(body),)) + body


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()
