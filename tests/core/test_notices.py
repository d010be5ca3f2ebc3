"""The administrator learns of every error that a gateway logs without having to read the log."""

import pytest

from smgw.core.log_event import EVENTS, Level, Log
from smgw.core.notices import NOTICES

pytestmark = pytest.mark.req("ADM-06", "WAN-07")

BEFORE_ANY_ADMINISTRATOR = {"initial_configuration_refused"}


def test_every_error_of_the_system_log_is_told() -> None:
    errors = {name for name, kind in EVENTS.items() if kind.level >= Level.ERROR and Log.SYSTEM in kind.logs}
    assert sorted(errors - NOTICES.keys()) == sorted(BEFORE_ANY_ADMINISTRATOR)


def test_what_a_partner_may_be_told_says_nothing_about_a_consumer() -> None:
    assert sorted(name for name, rule in NOTICES.items() if rule.partners and Log.CONSUMER in EVENTS[name].logs) == [
        "meter_fatal",
        "self_test_failed",
    ]
