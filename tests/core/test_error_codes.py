"""The error catalogue: complete, and nothing in it is dead."""

import re
from pathlib import Path

import pytest

import smgw
from smgw.core.error_codes import ERROR_CODES
from smgw.core.errors import ConfigError, DecodeFault, PeerFault, SmgwError, UsageError

SOURCES = "\n".join(
    path.read_text() for path in sorted(Path(smgw.__file__).parent.rglob("*.py")) if path.name not in ("error_codes.py", "errors.py")
)


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_every_code_is_well_formed_and_says_what_to_do(code: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z0-9_]+", code)
    row = ERROR_CODES[code]
    assert row.title[0].isupper() and not row.title.endswith(".")
    assert row.hint.endswith((".", "?")) and len(row.hint) > 10


def test_every_code_that_is_raised_stands_in_the_catalogue() -> None:
    raised = set(re.findall(r"(?:Fault|Error|Unavailable|Replay|Rejected)\(\s*\"([a-z0-9_]+\.[a-z0-9_]+)\"", SOURCES))
    assert raised - set(ERROR_CODES) == set()
    assert len(raised) > 100


def test_an_error_carries_title_hint_and_exit_code() -> None:
    fault = ConfigError("gateway.config", "han_port")
    assert (str(fault), fault.exit_code, fault.retryable) == ("gateway.config: han_port", 3, False)
    assert fault.title == ERROR_CODES["gateway.config"].title
    assert fault.hint == ERROR_CODES["gateway.config"].hint
    assert str(SmgwError("gateway.config")) == "gateway.config"


def test_a_code_outside_the_catalogue_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        PeerFault("no.such_code")


def test_a_decode_fault_names_the_place() -> None:
    assert DecodeFault("sml.framing", "x", offset=7).offset == 7
    assert issubclass(DecodeFault, PeerFault) and not issubclass(UsageError, PeerFault)
