"""Octets to messages: a whole transport frame, or the messages in it."""

from binascii import crc_hqx

from smgw.codec.sml import fast, strict
from smgw.codec.sml.crc import MIRROR, Checksum
from smgw.codec.sml.messages import (
    AttentionResponse,
    Body,
    GetListResponse,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    PublicCloseRequest,
    PublicCloseResponse,
    PublicOpenRequest,
    PublicOpenResponse,
    SmlMessage,
)
from smgw.codec.sml.transport import ESCAPE, MAX_FRAME, check_frame, framing_fault, unescape
from smgw.core.errors import DecodeFault

_RESPONSES = (
    PublicOpenResponse,
    GetListResponse,
    PublicCloseResponse,
    AttentionResponse,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
)


def decode_frame(frame: bytes, *, checksum: Checksum = Checksum.X25, limit: int = MAX_FRAME) -> tuple[SmlMessage, ...]:
    """Read one whole transport frame: framing, checksum of the transport, every message with its own, order of messages.

    Raises: DecodeFault sml.framing, sml.transport_crc, sml.message_crc, sml.structure, sml.semantic; its offset counts from
    the start of the frame.
    Source: LMN-02, LMN-04, MEAS-03; SML 1.03.
    """
    if len(frame) > limit:
        raise framing_fault(f"frame of more than {limit} octets", limit)
    fill = check_frame(frame)
    mirrored = frame.translate(MIRROR)
    sent = frame[-2] << 8 | frame[-1]
    if checksum.wire(crc_hqx(mirrored[:-2], checksum.start)) != sent:
        raise DecodeFault("sml.transport_crc", f"{sent:04x} sent", offset=len(frame) - 2)
    end = len(frame) - 8 - fill
    if frame.find(ESCAPE, 8, end) < 0:
        return _read_file(frame, mirrored, 8, end, checksum)
    payload = unescape(frame[8:end])
    try:
        return _read_file(payload.data, payload.data.translate(MIRROR), 0, len(payload.data), checksum)
    except DecodeFault as fault:
        fault.offset = payload.frame_offset(fault.offset)
        raise


def decode_messages(payload: bytes, *, checksum: Checksum = Checksum.X25, limit: int = MAX_FRAME) -> tuple[SmlMessage, ...]:
    """Read the messages of one SML file, without transport.

    Raises: DecodeFault sml.framing (too long), sml.message_crc, sml.structure, sml.semantic.
    """
    if len(payload) > limit:
        raise framing_fault(f"file of more than {limit} octets", limit)
    return _read_file(payload, payload.translate(MIRROR), 0, len(payload), checksum)


def _read_file(data: bytes, mirrored: bytes, offset: int, end: int, checksum: Checksum) -> tuple[SmlMessage, ...]:
    messages = []
    offsets = []
    while offset < end:
        offsets.append(offset)
        message, offset = fast.read_message(data, mirrored, offset, end, checksum) or strict.read_message(data, offset, end, checksum)
        messages.append(message)
    _check_order([message.body for message in messages], [*offsets, offset])
    return tuple(messages)


def _check_order(bodies: list[Body], offsets: list[int]) -> None:
    """Hold a file to its rule: open, then anything of the same direction, then close.

    Raises: DecodeFault sml.semantic.
    """
    if not bodies:
        raise strict.semantic_fault("file without a message", offsets[0])
    close: type[PublicCloseRequest | PublicCloseResponse]
    first, last = bodies[0], bodies[-1]
    if isinstance(first, PublicOpenResponse):
        response, close = True, PublicCloseResponse
    elif isinstance(first, PublicOpenRequest):
        response, close = False, PublicCloseRequest
    else:
        raise strict.semantic_fault("file does not begin with an open message", offsets[0])
    for body, offset in zip(bodies[1:-1], offsets[1:], strict=False):
        if isinstance(body, _OUTER) or isinstance(body, _RESPONSES) is not response:
            raise strict.semantic_fault(f"{type(body).__name__} inside a file of {'responses' if response else 'requests'}", offset)
    if not isinstance(last, close):
        raise strict.semantic_fault(f"file does not end with {close.__name__}", offsets[-2])


_OUTER = (PublicOpenRequest, PublicOpenResponse, PublicCloseRequest, PublicCloseResponse)
