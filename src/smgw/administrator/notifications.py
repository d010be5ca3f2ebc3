"""Tell people and machines of incidents: by webhook, e-mail and MQTT.

What is to be told waits in the store from the moment the incident opens or closes, so nothing is lost over a restart. A channel that
does not answer is tried again later and holds up nobody. Where the power fails between sending and noting it, the same message comes
again, with the same id. A message says what is wrong with which gateway; it holds no measured value and no notice's parameters.
Source: ADM-06, ADM-11.
"""

import asyncio
import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import structlog

from smgw.administrator.config import Mail, Mqtt, Webhook
from smgw.administrator.monitoring import Incident, Incidents
from smgw.administrator.store import Store
from smgw.core.errors import ConfigError, SmgwError, Unavailable
from smgw.core.instant import utc_text
from smgw.net.clock import ClockPort
from smgw.net.mqtt import publish
from smgw.security.secret_file import load_secret

log = structlog.get_logger(__name__)

Channel = Webhook | Mail | Mqtt

LOOK_S = 1.0
"""How often the queue is looked at, in real seconds."""
SEND_S = 20.0
"""So long one message may take, in real seconds."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
PATIENCE = timedelta(days=7)
"""What could not be told so long after it happened is given up."""
AT_ONCE = 20
"""So many messages of a channel are sent in one turn."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notification (
  id INTEGER PRIMARY KEY, incident INTEGER NOT NULL REFERENCES incident(id), what TEXT NOT NULL CHECK (what IN ('opened', 'closed')),
  channel TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('waiting', 'told', 'given_up')), created_at TEXT NOT NULL,
  next_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '', UNIQUE (incident, what, channel)
) STRICT;
CREATE INDEX IF NOT EXISTS notification_waiting ON notification (channel, id) WHERE state = 'waiting';
"""
# Times of one form compare as text.
_DUE = "SELECT * FROM notification WHERE state='waiting' AND channel=? AND next_at <= ? ORDER BY id LIMIT ?"


class Notification(NamedTuple):
    """Hold one message that is to be told by one channel, in the order of the table's columns."""

    id: int
    incident: int
    what: str
    channel: str
    state: str
    created_at: str
    next_at: str
    attempts: int
    code: str

    @property
    def message_id(self) -> str:
        """Name what is told, the same at each attempt."""
        return f"{self.incident}-{self.what}"


def _stamp(moment: datetime) -> str:
    return utc_text(moment.replace(microsecond=0))


class Notifications:
    """Keep the queue."""

    def __init__(self, store: Store, incidents: Incidents) -> None:
        self._store = store
        self.incidents = incidents
        store.install(_SCHEMA)

    def put(self, incident: Incident, channels: Iterable[str], at: datetime) -> None:
        """Queue that an incident opened, or that it closed, for each channel; the same once more has no effect."""
        what = "closed" if incident.closed_at else "opened"
        with self._store.write() as database:
            database.executemany(
                "INSERT OR IGNORE INTO notification (incident, what, channel, state, created_at, next_at) VALUES (?,?,?,'waiting',?,?)",
                [(incident.id, what, channel, _stamp(at), _stamp(at)) for channel in channels],
            )

    def due(self, channel: str, at: datetime, limit: int = AT_ONCE) -> list[Notification]:
        """List what a channel has to tell now, oldest first."""
        return [Notification(*row) for row in self._store.rows(_DUE, (channel, _stamp(at), limit))]

    def of(self, incident: int) -> list[Notification]:
        """List who was, or is to be, told of an incident."""
        return [Notification(*row) for row in self._store.rows("SELECT * FROM notification WHERE incident=? ORDER BY id", (incident,))]

    def told(self, one: Notification) -> None:
        """Note that a message was taken."""
        with self._store.write() as database:
            database.execute("UPDATE notification SET state='told', attempts=attempts+1, code='' WHERE id=?", (one.id,))

    def failed(self, one: Notification, code: str, at: datetime) -> None:
        """Note that a message was not taken, and when it is tried again."""
        pause = min(FIRST_PAUSE * 2 ** min(one.attempts, 20), LONGEST_PAUSE)
        state = "given_up" if _stamp(at - PATIENCE) > one.created_at else "waiting"
        with self._store.write() as database:
            database.execute(
                "UPDATE notification SET state=?, attempts=attempts+1, code=?, next_at=? WHERE id=?",
                (state, code, _stamp(at + pause), one.id),
            )


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """Hold what a webhook and a broker get, as JSON."""

    id: str
    what: str
    administrator: str
    gateway: str
    rule: str
    severity: str
    subject: str
    text: str
    opened_at: str
    closed_at: str


def document(administrator: str, incident: Incident, one: Notification, language: str = "en") -> Told:
    """Say what is told of an incident."""
    closed = incident.closed_at if one.what == "closed" else ""
    facts = (incident.rule, incident.severity, incident.subject, incident.text(language), incident.opened_at, closed)
    return Told(one.message_id, one.what, administrator, incident.device_id, *facts)


async def send(channel: Channel, told: Told, folder: Path) -> None:
    """Tell by one channel. Raises: Unavailable administrator.notification; ConfigError secret.*, administrator.config."""
    try:
        async with asyncio.timeout(SEND_S):
            match channel:
                case Webhook():
                    await _post(channel, told, folder)
                case Mail():
                    await asyncio.to_thread(_mail, channel, told, folder)
                case Mqtt():
                    await publish(
                        (channel.host, channel.port),
                        channel.topic,
                        msgspec.json.encode(told),
                        client_id=f"smgw-{hashlib.sha256(told.administrator.encode()).hexdigest()[:16]}",
                        login=_login(channel, folder, protected=channel.tls),
                        tls=_tls(channel.ca_file, folder) if channel.tls else None,
                    )
    except (OSError, TimeoutError, aiohttp.ClientError, smtplib.SMTPException, ValueError) as problem:
        raise Unavailable("administrator.notification", f"{channel.name}: {type(problem).__name__}") from problem


async def _post(channel: Webhook, told: Told, folder: Path) -> None:
    body = msgspec.json.encode(told)
    headers = {"Content-Type": "application/json", "X-Smgw-Id": told.id}
    if channel.secret_file:
        digest = hmac.new(load_secret(folder / channel.secret_file), body, hashlib.sha256).hexdigest()
        headers["X-Smgw-Signature"] = f"sha256={digest}"
    context = _tls(channel.ca_file, folder) if channel.url.startswith("https:") else True
    async with (
        aiohttp.ClientSession() as session,
        session.post(channel.url, data=body, headers=headers, ssl=context, allow_redirects=False) as response,
    ):
        if not 200 <= response.status < 300:
            raise Unavailable("administrator.notification", f"{channel.name}: status {response.status}")


def _mail(channel: Mail, told: Told, folder: Path) -> None:
    message = EmailMessage()
    word = {
        "de": {"opened": "Störung", "closed": "Beendet", "test": "Probe"},
        "en": {"opened": "Incident", "closed": "Over", "test": "Test"},
    }[channel.language][told.what]
    message["Subject"] = " ".join(f"[{told.administrator}] {word}: {told.gateway} {told.text}".split())
    message["From"], message["To"] = channel.sender, ", ".join(channel.recipients)
    message["Message-ID"] = f"<{told.id}.{hashlib.sha256(told.opened_at.encode()).hexdigest()[:16]}@{told.administrator}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(f"{name}: {value}" for name, value in msgspec.to_builtins(told).items() if value) + "\n")
    login = _login(channel, folder, protected=channel.starttls or channel.implicit_tls)
    context = _tls(channel.ca_file, folder) if channel.starttls or channel.implicit_tls else None
    with _smtp(channel, context) as server:
        if login is not None:
            server.login(login[0], login[1].decode())
        server.send_message(message)


def _smtp(channel: Mail, context: ssl.SSLContext | None) -> smtplib.SMTP:
    """Connect to the server that takes the mail; nothing but the greeting goes over an unprotected line unless it shall stay so."""
    if context is not None and channel.implicit_tls:
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=SEND_S, context=context)
    server = smtplib.SMTP(channel.host, channel.port, timeout=SEND_S)
    try:
        if context is not None:
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _login(channel: Mail | Mqtt, folder: Path, *, protected: bool) -> tuple[str, bytes] | None:
    if not channel.user:
        return None
    if not protected:
        raise ConfigError("administrator.config", f"notifications: {channel.name}: a password needs a protected connection")
    return channel.user, load_secret(folder / channel.password_file)


def _tls(ca_file: str, folder: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(folder / ca_file) if ca_file else None)
    except OSError as problem:
        raise ConfigError("administrator.config", f"notifications: {ca_file}: {problem.strerror}") from problem


def require_usable(channels: tuple[Channel, ...]) -> None:
    """Refuse channels that can't be told apart or reached. Raises: ConfigError administrator.config."""
    names = [channel.name for channel in channels]
    if len(set(names)) != len(names) or "" in names:
        raise ConfigError("administrator.config", "notifications: each channel needs a name of its own")
    for channel in channels:
        if isinstance(channel, Webhook) and not channel.url.startswith(("https://", "http://")):
            raise ConfigError("administrator.config", f"notifications: {channel.name}: url")


async def notify(book: Notifications, channel: Channel, administrator: str, folder: Path, clock: ClockPort) -> None:
    """Tell by one channel what waits for it, until cancelled; what is not taken comes again after a while."""
    while True:
        try:
            await tell_due(book, channel, administrator, folder, clock)
        except SmgwError as fault:
            # What goes wrong with the books must not end it for good.
            log.error("notifications_wait", channel=channel.name, code=fault.code)
        await asyncio.sleep(LOOK_S)


async def tell_due(book: Notifications, channel: Channel, administrator: str, folder: Path, clock: ClockPort) -> int:
    """Tell by one channel what is due; gives how many messages were taken. A channel that fails is left alone for the rest of the turn."""
    taken = 0
    for one in book.due(channel.name, clock.now()):
        incident = book.incidents.incident(one.incident)
        assert incident is not None  # the queue refers to it
        try:
            await send(channel, document(administrator, incident, one, getattr(channel, "language", "en")), folder)
        except SmgwError as fault:
            book.failed(one, fault.code, clock.now())
            log.warning("not_notified", channel=channel.name, incident=one.incident, code=fault.code, detail=fault.detail)
            break
        book.told(one)
        taken += 1
    return taken
