"""The log-event catalogue as data: every event that can stand in one of the three logs. `docs/log-events.md` is generated from it."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec


class Log(StrEnum):
    """Name the three logs, which have different readers (LOG-01)."""

    SYSTEM = "system"
    CALIBRATION = "calibration"
    CONSUMER = "consumer"


class Level(IntEnum):
    """Rank an event as AR 2418-6 does."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    FATAL = 4


class EventKind(NamedTuple):
    """Describe one kind of event: its number, rank, the logs it goes to, and its text in both languages (`{name}` are parameters)."""

    number: int
    level: Level
    logs: tuple[Log, ...]
    en: str
    de: str


_S, _C, _L = Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER
_I, _W, _E, _F = Level.INFO, Level.WARNING, Level.ERROR, Level.FATAL

EVENTS: dict[str, EventKind] = {
    # 1000–1099 life of the device
    "started": EventKind(1001, _I, (_S, _C), "Gateway started, firmware {version}", "Gateway gestartet, Firmware {version}"),
    "stopped": EventKind(1002, _I, (_S,), "Gateway stopped in good order", "Gateway ordnungsgemäß beendet"),
    "self_test_passed": EventKind(1003, _I, (_S, _C, _L), "Self-test passed", "Selbsttest bestanden"),
    "self_test_failed": EventKind(1004, _F, (_S, _C, _L), "Self-test failed: {reason}", "Selbsttest nicht bestanden: {reason}"),
    "power_returned": EventKind(1005, _W, (_S,), "Restart without orderly stop", "Neustart ohne ordnungsgemäßes Ende"),
    "integrity_error": EventKind(1006, _F, (_S, _C), "Stored data is not intact: {reason}", "Gespeicherte Daten sind nicht unversehrt: {reason}"),
    "special_functions": EventKind(1007, _W, (_S, _C, _L), "This gateway is software and not certified", "Dieses Gateway ist Software und nicht zertifiziert"),
    "state_changed": EventKind(1008, _I, (_S, _C), "State changed from {before} to {after}: {reason}", "Zustand von {before} nach {after} gewechselt: {reason}"),
    # 1100–1199 time
    "time_synchronised": EventKind(1101, _I, (_S,), "Time synchronised, deviation {deviation_ms} ms", "Zeit abgeglichen, Abweichung {deviation_ms} ms"),
    "clock_invalid": EventKind(1102, _E, (_S, _C), "Gateway time is not valid: {reason}", "Gerätezeit ist ungültig: {reason}"),
    "clock_valid": EventKind(1103, _I, (_S, _C), "Gateway time is valid", "Gerätezeit ist gültig"),
    "clock_stepped": EventKind(1104, _W, (_S, _C), "Gateway time stepped by {step_ms} ms", "Gerätezeit um {step_ms} ms gestellt"),
    "time_server_unreachable": EventKind(1105, _W, (_S,), "Time server not reached: {code}", "Zeitserver nicht erreicht: {code}"),
    # 1200–1299 WAN connections
    "channel_opened": EventKind(1201, _I, (_S,), "Connection to {partner} opened", "Verbindung zu {partner} geöffnet"),
    "channel_closed": EventKind(1202, _I, (_S,), "Connection to {partner} closed", "Verbindung zu {partner} geschlossen"),
    "handshake_failed": EventKind(1203, _W, (_S,), "Connection to {partner} failed: {code}", "Verbindung zu {partner} fehlgeschlagen: {code}"),
    "peer_not_configured": EventKind(1204, _E, (_S,), "Partner {partner} showed another certificate than configured", "Partner {partner} zeigte ein anderes als das eingetragene Zertifikat"),
    "peer_certificate_rejected": EventKind(1205, _E, (_S,), "Certificate of {partner} rejected: {code}", "Zertifikat von {partner} abgelehnt: {code}"),
    # 1300–1399 content
    "content_signature_invalid": EventKind(1301, _E, (_S,), "Content from {partner} rejected: {code}", "Inhalt von {partner} abgelehnt: {code}"),
    "content_unreadable": EventKind(1302, _E, (_S,), "Content from {partner} can't be decrypted: {code}", "Inhalt von {partner} nicht entschlüsselbar: {code}"),
    "dispatched": EventKind(1303, _I, (_S, _L), "{count} values of {contract} sent to {partner}, message {message}", "{count} Werte aus {contract} an {partner} gesendet, Nachricht {message}"),
    "acknowledged": EventKind(1304, _I, (_S, _L), "{partner} confirmed message {message}", "{partner} hat Nachricht {message} bestätigt"),
    "delivery_failed": EventKind(1305, _W, (_S,), "Message {message} to {partner} not delivered: {code}", "Nachricht {message} an {partner} nicht zugestellt: {code}"),
    # 1400–1499 administration
    "profile_installed": EventKind(1401, _I, (_S, _C), "{kind} profile {id} version {version} installed", "Profil {id} ({kind}) Version {version} eingespielt"),
    "contract_changed": EventKind(1402, _I, (_L,), "Contract {contract} changed, version {version}", "Vertrag {contract} geändert, Version {version}"),
    "command_rejected": EventKind(1407, _E, (_S,), "Command from {partner} rejected: {code}", "Befehl von {partner} abgelehnt: {code}"),
    "evaluation_failed": EventKind(1408, _E, (_S, _L), "Contract {contract} can't be evaluated: {code}", "Vertrag {contract} kann nicht ausgewertet werden: {code}"),
    # 1600–1699 HAN
    "login_succeeded": EventKind(1601, _I, (_S, _L), "User {user} logged in", "Benutzer {user} angemeldet"),
    "login_failed": EventKind(1602, _W, (_S,), "Log-in failed from {address}", "Anmeldung von {address} fehlgeschlagen"),
    "values_shown": EventKind(1603, _I, (_L,), "{count} values of {contract} read by {user}", "{count} Werte aus {contract} durch {user} abgerufen"),
    "login_locked": EventKind(1605, _W, (_S, _L), "Too many failed log-ins for {user}: locked for {seconds} s", "Zu viele Fehlversuche für {user}: gesperrt für {seconds} s"),
    # 1800–1899 meters
    "meter_found": EventKind(1801, _I, (_S,), "Meter {meter} is sending", "Zähler {meter} sendet"),
    "meter_lost": EventKind(1802, _W, (_S, _C), "Meter {meter} has been silent since {since}", "Zähler {meter} sendet seit {since} nicht"),
    "meter_fatal": EventKind(1803, _E, (_S, _C, _L), "Meter {meter} reports a fatal error", "Zähler {meter} meldet einen fatalen Fehler"),
    "meter_tamper": EventKind(1804, _E, (_S, _C, _L), "Meter {meter} reports manipulation", "Zähler {meter} meldet Manipulation"),
    "reading_implausible": EventKind(1805, _E, (_S, _C), "Meter {meter}: register {obis} decreased", "Zähler {meter}: Register {obis} ist gefallen"),
    "telegram_rejected": EventKind(1807, _W, (_S,), "Telegrams on link {link} rejected: {code}, {count} so far", "Telegramme an Anschluss {link} verworfen: {code}, bisher {count}"),
    "meter_unknown": EventKind(1808, _W, (_S,), "Unknown meter {meter} on link {link}", "Unbekannter Zähler {meter} an Anschluss {link}"),
    "value_missing": EventKind(1809, _W, (_S, _L), "Meter {meter}: no value for {target}", "Zähler {meter}: kein Wert für {target}"),
    "link_lost": EventKind(1810, _W, (_S,), "Link {link} lost: {code}", "Anschluss {link} gestört: {code}"),
    # 1900–1999 store
    "storage_full": EventKind(1903, _F, (_S, _C), "Storage is full: measuring stopped", "Speicher voll: Messbetrieb angehalten"),
    "storage_available": EventKind(1905, _I, (_S, _C), "Storage accepts data again: measuring goes on", "Speicher nimmt wieder Daten an: Messbetrieb läuft weiter"),
}  # fmt: skip
"""Name of the event -> its kind. Numbers never change their meaning."""


class LogEntry(msgspec.Struct, frozen=True):
    """Hold one entry of one log."""

    log: Log
    event: str
    """Name in `EVENTS`."""
    time: datetime
    success: bool = True
    subject: str = ""
    """Who or what it is about: a user, a meter, a partner."""
    consumer_id: str = ""
    """Whose log it is; empty for system and calibration log."""
    parameters: dict[str, str] = {}

    @property
    def kind(self) -> EventKind:
        """Give the entry's row of the catalogue."""
        return EVENTS[self.event]

    def text(self, language: str) -> str:
        """Give the sentence in `de` or `en`."""
        template = self.kind.de if language == "de" else self.kind.en
        return template.format_map(self.parameters)
