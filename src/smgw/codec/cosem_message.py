"""What a sealed COSEM command and its answer carry besides method and address: the XML, and which part of it is meant.

The bodies are JSON in the envelope of `codec.command`; a part of an answer is of its octets, which are ASCII (our choice).
Source: WAN-08; 20-wan-crypto-pki 1.4.
"""

import re
from typing import Final, NamedTuple, TypeVar

import msgspec

from smgw.core.errors import DecodeFault, PeerFault

COSEM_ROOT: Final = "/cosem/"
"""Begin of the addresses of COSEM resources."""
COSEM_XML: Final = "application/vnd.de-dke-k461-cosem+xml"
COSEM_SEALED: Final = f"{COSEM_XML};encap=cms-tr03109"
XML_LIMIT: Final = 1 << 19
"""Most octets of XML in one answer; more is fetched in parts."""

_T = TypeVar("_T")
_RANGE = re.compile(r"bytes=([0-9]{0,9})-([0-9]{0,9})")


class CosemRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Hold the body of a command at a COSEM address."""

    xml: str = ""
    accept: str = ""
    """Media types as in the HTTP header of that name; empty is COSEM XML."""
    range: str = ""
    """Which octets of the answer's XML, as in the HTTP header of that name: `bytes=0-65535`."""


class CosemAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Hold the body of its answer."""

    xml: str = ""
    range: str = ""
    """Which octets these are, of how many, when they are a part: `bytes 0-65535/812345`."""


class Section(NamedTuple):
    """Hold a part of a text, and what to call it."""

    text: str
    name: str


def decode_request(body: bytes) -> CosemRequest:
    """Read the body of a command; null is an empty one. Raises: DecodeFault command.body."""
    return _decoded(body, CosemRequest)


def decode_cosem_answer(body: bytes) -> CosemAnswer:
    """Read the body of an answer; null is an empty one. Raises: DecodeFault command.body."""
    return _decoded(body, CosemAnswer)


def _decoded(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind | None) or kind()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise DecodeFault("command.body", str(problem)[:200]) from problem


def is_sealed_cosem(header: str) -> bool:
    """Tell whether a media type is that of sealed COSEM XML."""
    main, *parameters = (part.strip().lower() for part in header.split(";"))
    return main == COSEM_XML and parameters == ["encap=cms-tr03109"]


def accepts(header: str) -> bool:
    """Tell whether a list of media types lets COSEM XML through, sealed or not."""
    types = {item.partition(";")[0].strip().lower() for item in header.split(",")}
    return not header.strip() or bool(types & {COSEM_XML, "application/*", "*/*"})


def section(text: str, wanted: str) -> Section:
    """Cut the octets that are asked for out of an ASCII text. Raises: PeerFault cosem.range."""
    match = _RANGE.fullmatch(wanted)
    if match is None or not any(match.groups()):
        raise PeerFault("cosem.range", ascii(wanted)[:40])
    length = len(text)
    if match[1]:
        first, last = int(match[1]), min(int(match[2] or length), length - 1)
    else:
        first, last = max(length - int(match[2]), 0), length - 1
    if first > last:
        raise PeerFault("cosem.range", f"of {length}")
    return Section(text[first : last + 1], f"bytes {first}-{last}/{length}")
