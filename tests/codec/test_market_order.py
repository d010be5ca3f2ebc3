"""Orders of participants as JSON: complete for their kind, and nothing else."""

from datetime import date
from typing import Any

import msgspec
import pytest

from smgw.codec.market_order import MarketOrder, decode_order, decode_order_state
from smgw.core.errors import DecodeFault

pytestmark = pytest.mark.req("ADM-09")

CONNECT: dict[str, Any] = {"orderId": "00000000-0000-4000-8000-000000000001", "gateway": "ESGW0000000001", "kind": "connect"}
READ_OUT = CONNECT | {"kind": "read-out", "contract": "taf6-1.sm", "first": "2026-03-02", "last": "2026-03-03", "reason": "move"}


def test_orders_are_read() -> None:
    assert decode_order(msgspec.json.encode(CONNECT)) == MarketOrder(CONNECT["orderId"], "ESGW0000000001", "connect")
    assert decode_order(msgspec.json.encode(READ_OUT)).last == date(2026, 3, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        *(
            msgspec.json.encode(wrong)
            for wrong in (
                {},
                CONNECT | {"more": 1},
                CONNECT | {"orderId": "1"},
                CONNECT | {"contract": "taf6-1.sm"},
                READ_OUT | {"reason": "curiosity"},
                READ_OUT | {"first": None},
                READ_OUT | {"first": "2026-02-30"},
                READ_OUT | {"contract": ""},
                READ_OUT | {"gateway": "x" * 65},
            )
        ),
    ],
)
def test_what_is_no_order_is_refused(content: bytes) -> None:
    with pytest.raises(DecodeFault, match=r"order\.structure"):
        decode_order(content)
    with pytest.raises(DecodeFault, match=r"order\.structure"):
        decode_order_state(content)
