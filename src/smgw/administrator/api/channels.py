"""What is watched, and by which channels people and machines are told of it. Source: ADM-06, ADM-13."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from smgw.administrator.api.endpoints import OPERATING, SEEING, Call, Endpoint
from smgw.administrator.config import Mail, MonitoringConfig, Mqtt, Webhook
from smgw.administrator.monitoring import RULES
from smgw.administrator.notifications import Channel

NewChannel = Webhook | Mail | Mqtt


class ChannelRow(msgspec.Struct, frozen=True):
    """Show one channel; an address may hold a secret, so no more than its host is shown."""

    name: str
    kind: Literal["webhook", "email", "mqtt"]
    host: str
    to: str
    """Who gets the mail, or the topic."""
    protected: bool
    """Whether the connection is encrypted, or the message signed."""


class RuleRow(msgspec.Struct, frozen=True):
    """Show one rule of the monitoring."""

    name: str
    severity: str
    limits: list[str]
    """From the configuration; empty where there is nothing to set."""


class Notifying(msgspec.Struct, frozen=True):
    """Show rules and channels."""

    channels: list[ChannelRow]
    rules: list[RuleRow]


class Tried(msgspec.Struct, frozen=True):
    """Tell that a message was taken."""

    name: str
    taken: bool


_LIMITS: dict[str, tuple[str, ...]] = {
    "alarm": ("alarm_levels", "alarm_events"),
    "certificate": ("certificate_days",),
    "storage": ("fill_percent",),
    "deliveries": ("waiting_messages",),
    "silent": ("silent_minutes", "silent_on_wake_up_minutes"),
}
"""Rule -> what the configuration sets about it."""


def channel_row(channel: Channel) -> ChannelRow:
    """Show a channel."""
    match channel:
        case Webhook():
            parts = urlsplit(channel.url)
            return ChannelRow(channel.name, "webhook", parts.hostname or "", "", parts.scheme == "https" or bool(channel.secret_file))
        case Mail():
            return ChannelRow(channel.name, "email", channel.host, ", ".join(channel.recipients), channel.starttls or channel.implicit_tls)
        case Mqtt():
            return ChannelRow(channel.name, "mqtt", channel.host, channel.topic, channel.tls)


def rule_rows(config: MonitoringConfig) -> list[RuleRow]:
    """Show the rules."""
    values = msgspec.to_builtins(config)
    told = {name: [str(one) for field in fields for one in _listed(values[field])] for name, fields in _LIMITS.items()}
    return [RuleRow(name, rule.severity, told.get(name, [])) for name, rule in RULES.items()]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def notifying(call: Call) -> Notifying:
    """Show what is watched, and who is told."""
    return Notifying([channel_row(one) for one in call.desk.channels.all()], rule_rows(call.desk.folder.load().monitoring))


def add(call: Call) -> ChannelRow:
    """Tell by one more channel from now on. Raises: ConfigError administrator.config with what does not fit."""
    return channel_row(call.desk.channels.add(call.body, call.now, call.user.name))


def remove(call: Call) -> Notifying:
    """Tell by a channel no more. Raises: DomainFault administrator.unknown_channel."""
    call.desk.channels.remove(call.path["name"], call.now, call.user.name)
    return notifying(call)


async def attempt(call: Call) -> Tried:
    """Send one message by a channel now. Raises: DomainFault administrator.unknown_channel, Unavailable administrator.notification."""
    await call.desk.channels.attempt(call.path["name"], call.now, call.user.name)
    return Tried(call.path["name"], True)


_ONE = "/notifications/{name}"

ENDPOINTS = (
    Endpoint("GET", "/notifications", SEEING, notifying, "Show what is watched, and who is told of it", Notifying),
    Endpoint("POST", "/notifications", OPERATING, add, "Tell of incidents by one more channel", ChannelRow, NewChannel, status=201),
    Endpoint("DELETE", _ONE, OPERATING, remove, "Tell by a channel no more", Notifying),
    Endpoint("POST", f"{_ONE}/try", OPERATING, attempt, "Send a message by a channel now", Tried),
)
