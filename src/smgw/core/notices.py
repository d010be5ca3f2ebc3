"""Notices: what a gateway tells others of by itself, at once, when it happens (German: Meldungen).

The administrator is told of every event in the table; a partner of the events that its communication profile names, and only of those
that say nothing about a consumer.
Source: WAN-07; TR-03109-1 Annex VI, table 2 step 4.1; 20-wan-crypto-pki 1.11.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

ADMINISTRATOR = "administrator"
"""Stands for the administrator wherever a partner is named; it can't be a partner's id, which ends with `.sm`."""
ADMINISTRATOR_RESULTS = "administrator-results"
"""Stands for the administrator as who waits for results of its commands."""


class NoticeRule(NamedTuple):
    """Say who may be told of an event, and how often."""

    partners: bool = False
    """Whether a market participant may be told, too."""
    pause_s: int = 0
    """So long a second notice of the same event and subject is held back."""


_ALWAYS = NoticeRule()
_DISTURBANCE = NoticeRule(partners=True)
_AT_MOST_HOURLY = NoticeRule(pause_s=3_600)

NOTICES: dict[str, NoticeRule] = {
    "self_test_failed": _DISTURBANCE,
    "integrity_error": _ALWAYS,
    "boot_failed": _ALWAYS,
    "power_returned": _DISTURBANCE,
    "state_changed": _DISTURBANCE,
    "clock_invalid": _DISTURBANCE,
    "clock_valid": _DISTURBANCE,
    "clock_behind_values": _ALWAYS,
    "meter_lost": _DISTURBANCE,
    "meter_found": _DISTURBANCE,
    "link_lost": _DISTURBANCE,
    "meter_fatal": _DISTURBANCE,
    "meter_tamper": _ALWAYS,
    "reading_implausible": _AT_MOST_HOURLY,
    "storage_full": _ALWAYS,
    "storage_available": _ALWAYS,
    "readings_full": _ALWAYS,
    "calibration_log_full": _ALWAYS,
    "networks_joined": _ALWAYS,
    "networks_separate": _ALWAYS,
    "command_rejected": _AT_MOST_HOURLY,
    "content_signature_invalid": _AT_MOST_HOURLY,
    "content_unreadable": _AT_MOST_HOURLY,
    "peer_not_configured": _AT_MOST_HOURLY,
    "peer_certificate_rejected": _AT_MOST_HOURLY,
    "wake_up_signature_invalid": _AT_MOST_HOURLY,
    "login_locked": _AT_MOST_HOURLY,
    "firmware_activated": _ALWAYS,
    "firmware_rolled_back": _ALWAYS,
    "firmware_rejected": _ALWAYS,
    "certificate_changed": _ALWAYS,
    "case_opened": _ALWAYS,
    "values_given_up": _ALWAYS,
    "periods_skipped": _ALWAYS,
    "store_nearly_full": _ALWAYS,
    "logs_full": _ALWAYS,
    "administrator_authentication_failed": _ALWAYS,
    "evaluation_failed": _AT_MOST_HOURLY,
    "reading_refused": _AT_MOST_HOURLY,
    "successor_rejected": _AT_MOST_HOURLY,
    "administrator_change_failed": _ALWAYS,
    "administrator_change_aborted": _ALWAYS,
}
"""Event of the log catalogue -> who is told of it."""


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Tell of one event, as its log entry does."""

    message_id: str
    """UUID in lower case; a repetition is the same notice."""
    device: str
    event: str
    event_id: int
    level: str
    time: datetime
    subject: str
    success: bool
    parameters: dict[str, str]
