import msgspec
import pytest
from tests.codec.sml.samples import IMPORT, OPEN_REQUEST, REQUESTS

from smgw.codec.sml import ListEntry
from smgw.codec.sml.messages import integer_format


@pytest.mark.parametrize("request_body", [OPEN_REQUEST, *REQUESTS])
def test_passwords_are_not_printed(request_body: msgspec.Struct) -> None:
    assert "secret" not in repr(request_body)
    assert type(request_body).__name__ in repr(request_body)


@pytest.mark.parametrize(
    ("value", "head"),
    [
        (0, 0x62),
        (255, 0x62),
        (256, 0x63),
        (65_536, 0x65),
        (2**32, 0x69),
        (2**64 - 1, 0x69),
        (2**64, 0),
        (-1, 0x52),
        (-128, 0x52),
        (-129, 0x53),
        (-(2**31), 0x55),
        (-(2**63), 0x59),
        (-(2**63) - 1, 0),
    ],
)
def test_smallest_form_of_an_integer(value: int, head: int) -> None:
    assert integer_format(value) == head
    assert ListEntry(IMPORT, value=value).value_format == head


def test_only_integers_have_a_form() -> None:
    assert ListEntry(IMPORT, value=True).value_format == 0
    assert ListEntry(IMPORT, value=b"1").value_format == 0
    assert ListEntry(IMPORT).value_format == 0


def test_values_are_frozen_and_hashable() -> None:
    entry = ListEntry(IMPORT, value=1)
    with pytest.raises(AttributeError):
        entry.value = 2  # type: ignore[misc]
    assert hash(entry) == hash(ListEntry(IMPORT, value=1))
