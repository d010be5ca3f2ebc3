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


class Action(NamedTuple):
    """Recommend what its reader should do about an event, in both languages."""

    en: str
    de: str


_NONE = Action("Nothing.", "Keine.")
_WATCH = Action("Nothing at once; look into it when it repeats.", "Zunächst keine; bei Wiederholung die Ursache suchen.")
_OPERATOR = Action("Tell the operator of the metering point.", "Den Messstellenbetreiber informieren.")
_NETWORK = Action(
    "Check network, address and state of the partner; the gateway tries again.",
    "Netz, Adresse und Zustand des Partners prüfen; das Gateway versucht es weiter.",
)
_CERTIFICATES = Action(
    "Compare the certificates of both sides and who may use them.", "Zertifikate beider Seiten und deren Berechtigung vergleichen."
)
_CLOCK = Action("Check the time server and the way to it.", "Zeitserver und Verbindung dorthin prüfen.")
_METER = Action("Check the meter, its line and its power.", "Zähler, Leitung und Stromversorgung prüfen.")
_EXAMINE = Action("Have the device examined; don't bill its values before.", "Gerät untersuchen lassen; Werte bis dahin nicht abrechnen.")
_EVIDENCE = Action(
    "Keep the store as evidence, have the gateway examined, don't bill its values.",
    "Speicher als Beweis sichern, Gateway untersuchen lassen, Werte nicht abrechnen.",
)
_SPACE = Action(
    "Make room on the gateway's disk, or have its retention times shortened.",
    "Speicherplatz schaffen oder Aufbewahrungsfristen kürzen lassen.",
)
_PROFILE = Action("Correct the profile, or install the one that is missing.", "Profil berichtigen oder das fehlende einspielen.")
_LOGIN = Action("If it was not you, have the password changed.", "Wenn Sie es nicht waren: Kennwort ändern lassen.")
_ORDERED = Action("Check that this was agreed or ordered.", "Prüfen, ob dies vereinbart oder beauftragt war.")
_COMMAND = Action("Correct the command and send it anew.", "Befehl berichtigen und neu senden.")
_FIRMWARE = Action("Ask the maker; the old version goes on working.", "Hersteller fragen; die alte Version arbeitet weiter.")
_ARCHIVE = Action("Fetch and keep readings and log before.", "Messwerte und Logbuch vorher abrufen und aufbewahren.")
_READ = Action("Read the notice.", "Hinweis lesen.")


class EventKind(NamedTuple):
    """Describe one kind of event: its number, rank, the logs it goes to, and its text in both languages (`{name}` are parameters)."""

    number: int
    level: Level
    logs: tuple[Log, ...]
    en: str
    de: str
    when: str = ""
    """When it is written, in English; begins in lower case."""
    action: Action = _NONE


_S, _C, _L = Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER
_I, _W, _E, _F = Level.INFO, Level.WARNING, Level.ERROR, Level.FATAL

EVENTS: dict[str, EventKind] = {
    # 1000–1099 life of the device
    "started": EventKind(1001, _I, (_S, _C), "Gateway started, firmware {version}", "Gateway gestartet, Firmware {version}",
              "the checks at start are passed", _NONE),
    "stopped": EventKind(1002, _I, (_S,), "Gateway stopped in good order", "Gateway ordnungsgemäß beendet",
              "the gateway was told to end and everything is stored", _NONE),
    "self_test_passed": EventKind(1003, _I, (_S, _C, _L), "Self-test passed", "Selbsttest bestanden",
              "a self-test ended and found nothing: after a start, every 24 h, on demand, after an update", _NONE),
    "self_test_failed": EventKind(1004, _F, (_S, _C, _L), "Self-test failed: {reason}", "Selbsttest nicht bestanden: {reason}",
              "a check of a self-test failed; the reason lists the codes", _OPERATOR),
    "power_returned": EventKind(1005, _W, (_S,), "Restart without orderly stop", "Neustart ohne ordnungsgemäßes Ende",
              "the gateway starts and had not ended in good order", _WATCH),
    "integrity_error": EventKind(1006, _F, (_S, _C), "Stored data is not intact: {reason}", "Gespeicherte Daten sind nicht unversehrt: {reason}",
              "stored rows, pages or rules are not what was written", _EVIDENCE),
    "special_functions": EventKind(1007, _W, (_S, _C, _L), "This gateway is software and not certified", "Dieses Gateway ist Software und nicht zertifiziert",
              "every start; says what sets this gateway apart from a certified one", _NONE),
    "state_changed": EventKind(1008, _I, (_S, _C), "State changed from {before} to {after}: {reason}", "Zustand von {before} nach {after} gewechselt: {reason}",
              "the operating state changes", _WATCH),
    "phase_changed": EventKind(1009, _I, (_S, _C), "Life-cycle phase changed from {before} to {after}", "Lebensphase von {before} nach {after} gewechselt",
              "a phase of the life cycle is complete", _NONE),
    "local_access_granted": EventKind(1010, _I, (_S,), "{role} opened the local interface", "{role} hat die lokale Schnittstelle geöffnet",
              "integrator or first configurator gave the right PIN", _ORDERED),
    "local_access_refused": EventKind(1011, _W, (_S,), "Local interface refused to {role}: {code}", "Lokale Schnittstelle für {role} verweigert: {code}",
              "a PIN was wrong, locked or not of this phase", _WATCH),
    "local_action_refused": EventKind(1026, _W, (_S,), "{role} could not {action} at the local interface: {code}", "{role} konnte {action} an der lokalen Schnittstelle nicht ausführen: {code}",
              "what was asked is not of this phase or role, or what was given is not right; nothing was stored", _WATCH),
    "local_interface_disabled": EventKind(1012, _I, (_S,), "Local interface switched off for good", "Lokale Schnittstelle dauerhaft abgeschaltet",
              "installation is complete", _NONE),
    "initial_configuration_loaded": EventKind(1013, _I, (_S, _C), "Initial configuration of {partner} loaded", "Initiale Konfiguration von {partner} eingespielt",
              "certificates and signature of the administrator's file are verified", _NONE),
    "initial_configuration_refused": EventKind(1014, _E, (_S,), "Initial configuration refused: {code}", "Initiale Konfiguration abgelehnt: {code}",
              "certificate, signature or phase does not allow it; nothing was stored", _CERTIFICATES),
    "case_opened": EventKind(1015, _F, (_S, _C), "The gateway's case was opened", "Gehäuse des Gateways geöffnet",
              "the contact of the case opens", _EXAMINE),
    "decommissioned": EventKind(1016, _I, (_S, _C, _L), "Gateway decommissioned by {partner}", "Gateway durch {partner} außer Betrieb genommen",
              "keys and personal data are about to be erased", _ARCHIVE),
    "network_configured": EventKind(1020, _I, (_S,), "Network parameters set by {role}: {what}", "Netzparameter gesetzt durch {role}: {what}",
              "the first configurator sets addresses and lines on site", _ORDERED),
    "administrator_address_corrected": EventKind(1021, _I, (_S, _C), "Administrator's address corrected from {before} to {after}", "Adresse des Administrators von {before} auf {after} berichtigt",
              "the first configurator corrects the administrator's address on site", _ORDERED),
    "local_pin_reset": EventKind(1022, _I, (_S,), "PIN of {role} set anew", "PIN von {role} neu gesetzt",
              "the integrator gives the first configurator a new PIN", _ORDERED),
    "administrator_authenticated": EventKind(1023, _I, (_S,), "{partner} authenticated to the security module", "{partner} hat sich gegenüber dem Sicherheitsmodul authentisiert",
              "the administrator's AUT key signed the module's challenge", _NONE),
    "administrator_authentication_failed": EventKind(1024, _E, (_S, _C), "{partner} not authenticated to the security module: {code}", "{partner} nicht gegenüber dem Sicherheitsmodul authentisiert: {code}",
              "the answer to the module's challenge does not verify; keys stay as they are", _CERTIFICATES),
    "decommissioning_announced": EventKind(1025, _W, (_S, _C, _L), "{partner} announced the end of this gateway for {at}", "{partner} hat die Außerbetriebnahme dieses Gateways für {at} angekündigt",
              "readings and log can be fetched until then; after that keys and personal data are erased", _ARCHIVE),
    "boot_failed": EventKind(1017, _F, (_S, _C), "Check at start failed: {reason}", "Prüfung beim Start nicht bestanden: {reason}",
              "program, slots, keys or store are not what they must be; the gateway does not get to Normal", _OPERATOR),
    "networks_joined": EventKind(1018, _E, (_S, _C), "WAN and HAN are not separate, the consumer interface is switched off: {reason}", "WAN und HAN sind nicht getrennt, Kundenschnittstelle abgeschaltet: {reason}",
              "a self-test finds the gateway listening anywhere but at its HAN address, or that address at the WAN", _OPERATOR),
    "networks_separate": EventKind(1019, _I, (_S, _C), "WAN and HAN are separate again, the consumer interface is switched on", "WAN und HAN sind wieder getrennt, Kundenschnittstelle eingeschaltet",
              "a later test finds the networks separate", _NONE),
    # 1100–1199 time
    "time_synchronised": EventKind(1101, _I, (_S,), "Time synchronised, deviation {deviation_ms} ms", "Zeit abgeglichen, Abweichung {deviation_ms} ms",
              "the time server's answer was taken", _NONE),
    "clock_invalid": EventKind(1102, _E, (_S, _C), "Gateway time is not valid: {reason}", "Gerätezeit ist ungültig: {reason}",
              "the deviation passes 3 % of the smallest register period, or the last answer is too old", _CLOCK),
    "clock_valid": EventKind(1103, _I, (_S, _C), "Gateway time is valid", "Gerätezeit ist gültig",
              "the time can be trusted again", _NONE),
    "clock_stepped": EventKind(1104, _W, (_S, _C), "Gateway time stepped by {step_ms} ms", "Gerätezeit um {step_ms} ms gestellt",
              "the time is set by a second or more instead of being slewed", _WATCH),
    "time_server_unreachable": EventKind(1105, _W, (_S,), "Time server not reached: {code}", "Zeitserver nicht erreicht: {code}",
              "a poll of the time server failed, once until one succeeds", _NETWORK),
    "clock_behind_values": EventKind(1106, _W, (_S, _C), "Gateway time is {seconds} s before the newest value of meter {meter}: nothing is stored until it is passed", "Gerätezeit liegt {seconds} s vor dem neuesten Wert von Zähler {meter}: bis dahin wird nichts gespeichert",
              "the time went back over periods that are decided already", _CLOCK),
    "clock_not_set": EventKind(1107, _W, (_S, _C), "Gateway time was never set: nothing of meter {meter} is stored until it is", "Gerätezeit wurde nie gestellt: von Zähler {meter} wird bis dahin nichts gespeichert",
              "a telegram comes before the first valid time, and no stored value leads up to the time that the clock claims", _CLOCK),
    # 1200–1299 WAN connections
    "channel_opened": EventKind(1201, _I, (_S,), "Connection to {partner} opened", "Verbindung zu {partner} geöffnet",
              "a mutually authenticated TLS channel stands", _NONE),
    "channel_closed": EventKind(1202, _I, (_S,), "Connection to {partner} closed", "Verbindung zu {partner} geschlossen",
              "a channel ended, in good order or by a fault", _NONE),
    "handshake_failed": EventKind(1203, _W, (_S,), "Connection to {partner} failed: {code}", "Verbindung zu {partner} fehlgeschlagen: {code}",
              "no channel came about; what was to be sent waits", _NETWORK),
    "peer_not_configured": EventKind(1204, _E, (_S,), "Partner {partner} showed another certificate than configured", "Partner {partner} zeigte ein anderes als das eingetragene Zertifikat",
              "a partner shows another certificate than its profile pins", _CERTIFICATES),
    "peer_certificate_rejected": EventKind(1205, _E, (_S,), "Certificate of {partner} rejected: {code}", "Zertifikat von {partner} abgelehnt: {code}",
              "a partner's certificate is expired, of another role or does not lead to the root", _CERTIFICATES),
    "connection_ordered": EventKind(1206, _I, (_S, _L), "{partner} ordered a connection to {target}", "{partner} hat eine Verbindung zu {target} angeordnet",
              "the administrator lets the gateway dial a partner", _ORDERED),
    "wake_up_accepted": EventKind(1210, _I, (_S,), "Wake-up call of {partner} accepted", "Wake-Up-Ruf von {partner} angenommen",
              "signature, address, time and number of a wake-up packet are right", _NONE),
    "wake_up_signature_invalid": EventKind(1211, _E, (_S,), "Wake-up call with wrong signature, {count} so far", "Wake-Up-Ruf mit falscher Signatur, bisher {count}",
              "a wake-up packet is not the administrator's; the 1st, 10th, 100th …", _WATCH),
    "wake_up_out_of_time": EventKind(1212, _W, (_S,), "Wake-up call outside its time: {deviation_s} s", "Wake-Up-Ruf außerhalb seiner Zeit: {deviation_s} s",
              "a wake-up packet for this gateway is too old or from the future; the 1st, 10th, 100th …", _CLOCK),
    "wake_up_replayed": EventKind(1213, _W, (_S,), "Wake-up call repeated, {count} so far", "Wake-Up-Ruf wiederholt, bisher {count}",
              "a wake-up packet is not newer than the last accepted one; the 1st, 10th, 100th …", _WATCH),
    # 1300–1399 content
    "content_signature_invalid": EventKind(1301, _E, (_S,), "Content from {partner} rejected: {code}", "Inhalt von {partner} abgelehnt: {code}",
              "the signature of received content does not verify; nothing was done", _CERTIFICATES),
    "content_unreadable": EventKind(1302, _E, (_S,), "Content from {partner} can't be decrypted: {code}", "Inhalt von {partner} nicht entschlüsselbar: {code}",
              "received content can't be decrypted; nothing was done", _CERTIFICATES),
    "dispatched": EventKind(1303, _I, (_S, _L), "{count} values of {contract} sent to {partner}, message {message}", "{count} Werte aus {contract} an {partner} gesendet, Nachricht {message}",
              "values of a contract leave the gateway", _NONE),
    "acknowledged": EventKind(1304, _I, (_S, _L), "{partner} confirmed message {message}", "{partner} hat Nachricht {message} bestätigt",
              "the partner's signed receipt is verified", _NONE),
    "delivery_failed": EventKind(1305, _W, (_S, _L), "Message {message} to {partner} not delivered: {code}", "Nachricht {message} an {partner} nicht zugestellt: {code}",
              "values were sent and no valid receipt came; they are sent again", _NETWORK),
    "read_out_ordered": EventKind(1306, _I, (_S, _L), "{partner} ordered a read-out of {contract}: {reason}", "{partner} hat eine Auslesung von {contract} angeordnet: {reason}",
              "the administrator orders a spontaneous read-out", _ORDERED),
    "dispatched_pseudonymous": EventKind(1307, _I, (_S, _L), "{count} values of {contract} sent under a pseudonym to {recipient} through {partner}, message {message}", "{count} Werte aus {contract} unter Pseudonym über {partner} an {recipient} gesendet, Nachricht {message}",
              "values not needed for billing leave the gateway through the administrator", _NONE),
    "dispatched_through": EventKind(1308, _I, (_S, _L), "{count} values of {contract} sent to {recipient} through {partner}, message {message}", "{count} Werte aus {contract} über {partner} an {recipient} gesendet, Nachricht {message}",
              "values leave the gateway, passed through by a third party that can't read them", _NONE),
    "notice_sent": EventKind(1309, _I, (_S,), "Notice of {event} sent to {partner}", "Meldung {event} an {partner} gesendet",
              "the gateway tells a partner of a disturbance by itself", _NONE),
    "result_sent": EventKind(1310, _I, (_S,), "Result of command {command} sent to {partner}", "Ergebnis des Befehls {command} an {partner} gesendet",
              "what a command took longer for than its answer could wait has ended, and the administrator was told how", _NONE),
    # 1400–1499 administration
    "profile_installed": EventKind(1401, _I, (_S, _C), "{kind} profile {id} version {version} installed", "Profil {id} ({kind}) Version {version} eingespielt",
              "a signed profile was checked and stored", _NONE),
    "contract_changed": EventKind(1402, _I, (_L,), "Contract {contract} changed, version {version}", "Vertrag {contract} geändert, Version {version}",
              "a profile that concerns the consumer was installed or replaced", _ORDERED),
    "profile_deleted": EventKind(1403, _I, (_S, _C), "{kind} profile {id} deleted", "Profil {id} ({kind}) gelöscht",
              "the administrator deletes a profile", _NONE),
    "device_registered": EventKind(1404, _I, (_S, _C), "Device {device} registered", "Gerät {device} angelegt",
              "the administrator adds a meter, CLS device or display", _NONE),
    "consumer_registered": EventKind(1405, _I, (_S,), "Consumer {consumer} registered", "Letztverbraucher {consumer} angelegt",
              "the administrator adds a consumer", _NONE),
    "certificate_changed": EventKind(1406, _I, (_S, _C), "{use} certificate of {owner} {change}", "{use}-Zertifikat von {owner}: {change}",
              "a key or certificate is installed, activated, suspended or deleted", _NONE),
    "command_rejected": EventKind(1407, _E, (_S,), "Command from {partner} rejected: {code}", "Befehl von {partner} abgelehnt: {code}",
              "a command's signature, form, age, right or content is refused; nothing was done", _COMMAND),
    "evaluation_failed": EventKind(1408, _E, (_S, _L), "Contract {contract} can't be evaluated: {code}", "Vertrag {contract} kann nicht ausgewertet werden: {code}",
              "a contract's readings can't be evaluated", _PROFILE),
    "device_removed": EventKind(1409, _I, (_S, _C), "Device {device} removed", "Gerät {device} gelöscht",
              "the administrator deletes a device", _NONE),
    "consumer_removed": EventKind(1410, _I, (_S, _L), "Consumer {consumer} removed", "Letztverbraucher {consumer} gelöscht",
              "the administrator deletes a consumer", _ARCHIVE),
    "device_assigned": EventKind(1411, _I, (_S, _C, _L), "Device {device} assigned to {consumer}", "Gerät {device} wurde {consumer} zugeordnet",
              "the administrator gives a consumer a device", _NONE),
    "device_unassigned": EventKind(1412, _I, (_S, _C, _L), "Device {device} no longer assigned to {consumer}", "Gerät {device} ist {consumer} nicht mehr zugeordnet",
              "the administrator takes a device from a consumer", _ARCHIVE),
    "credentials_changed": EventKind(1413, _I, (_S, _L), "Log-in of {user} changed", "Zugangsdaten von {user} geändert",
              "the administrator changes a consumer's name, password or certificate", _LOGIN),
    "profile_activated": EventKind(1414, _I, (_S, _C), "{kind} profile {id} version {version} activated", "Profil {id} ({kind}) Version {version} aktiviert",
              "an installed profile takes effect", _NONE),
    "algorithm_switched": EventKind(1415, _W, (_S, _C), "Security module switched to {algorithm}", "Sicherheitsmodul auf {algorithm} umgeschaltet",
              "the administrator changes the algorithm of the security module", _ORDERED),
    "wake_up_configured": EventKind(1416, _I, (_S,), "Wake-up service set to {address}", "Wake-Up-Dienst auf {address} gesetzt",
              "the administrator changes the address of the wake-up service", _NONE),
    "administrator_read": EventKind(1417, _I, (_S,), "{partner} read {resource}", "{partner} hat {resource} gelesen",
              "the administrator reads state, logs or lists; of each kind the first of a day", _NONE),
    "administrator_announced": EventKind(1418, _I, (_S, _C), "{partner} announced {successor} as new administrator", "{partner} hat {successor} als neuen Administrator angekündigt",
              "connection data and certificates of a new administrator are verified and stored", _ORDERED),
    "successor_rejected": EventKind(1419, _E, (_S,), "New administrator {successor} rejected: {code}", "Neuer Administrator {successor} abgelehnt: {code}",
              "signature of the announcement or certificate of the new administrator does not verify", _CERTIFICATES),
    "administrator_change_failed": EventKind(1420, _E, (_S,), "No connection to new administrator {successor}: {code}", "Keine Verbindung zum neuen Administrator {successor}: {code}",
              "the gateway can't reach the announced administrator", _NETWORK),
    "configuration_checked": EventKind(1421, _I, (_S,), "{partner} checked the configuration: {result}", "{partner} hat die Konfiguration geprüft: {result}",
              "the new administrator enters what its check found", _NONE),
    "administrator_change_aborted": EventKind(1422, _W, (_S, _C), "Change to administrator {successor} aborted, {partner} stays", "Wechsel zu Administrator {successor} abgebrochen, {partner} bleibt",
              "the old administrator withdraws the announcement", _NONE),
    "administrator_changed": EventKind(1423, _I, (_S, _C, _L), "Administrator is now {partner}", "Administrator ist jetzt {partner}",
              "the new administrator has proved itself after a wake-up call and takes over", _NONE),
    "administrator_removed": EventKind(1424, _I, (_S, _C), "Administrator {partner} removed", "Administrator {partner} gelöscht",
              "profile, certificates and keys of the old administrator are deleted", _NONE),
    "command_obeyed": EventKind(1425, _I, (_S,), "Command {command} of {partner} carried out", "Befehl {command} von {partner} ausgeführt",
              "a verified command without an event of its own was carried out", _NONE),
    "maintenance_done": EventKind(1426, _I, (_S, _L), "Maintenance by {partner}: {what}", "Wartung durch {partner}: {what}",
              "the administrator works on the gateway in a way that concerns the consumer", _NONE),
    "incident_notice": EventKind(1427, _W, (_S, _L), "Notice of {partner}: {text}", "Hinweis von {partner}: {text}",
              "the administrator informs the consumer of a special incident", _READ),
    # 1500–1599 firmware
    "firmware_downloaded": EventKind(1501, _I, (_S,), "Firmware {version} downloaded", "Firmware {version} geladen",
              "an ordered image is complete and its channel closed", _NONE),
    "firmware_verified": EventKind(1502, _I, (_S, _C), "Firmware {version} verified", "Firmware {version} geprüft",
              "the maker's signature over the image is verified", _NONE),
    "firmware_activated": EventKind(1503, _I, (_S, _C, _L), "Firmware {version} activated, before {before}", "Firmware {version} aktiviert, vorher {before}",
              "the new version runs and its self-test is passed", _NONE),
    "firmware_rolled_back": EventKind(1504, _E, (_S, _C, _L), "Firmware {version} given up, {before} runs again: {reason}", "Firmware {version} verworfen, {before} läuft wieder: {reason}",
              "the new version does not start or fails its self-test", _FIRMWARE),
    "firmware_rejected": EventKind(1505, _E, (_S, _C), "Firmware {version} rejected: {code}", "Firmware {version} abgelehnt: {code}",
              "signature, hardware class or version of an image or its order is refused", _FIRMWARE),
    "firmware_ordered": EventKind(1506, _I, (_S, _C), "{partner} ordered firmware {version}", "{partner} hat Firmware {version} angeordnet",
              "the signed order of an update is verified", _ORDERED),
    "firmware_not_certified": EventKind(1507, _W, (_S, _C, _L), "Firmware {version} is an emergency update and not yet certified", "Firmware {version} ist ein Notfall-Update und noch nicht zertifiziert",
              "an emergency update is activated", _NONE),
    # 1600–1699 HAN
    "login_succeeded": EventKind(1601, _I, (_S, _L), "User {user} logged in", "Benutzer {user} angemeldet",
              "a consumer logs in, once a session", _LOGIN),
    "login_failed": EventKind(1602, _W, (_S,), "Log-in failed from {address}", "Anmeldung von {address} fehlgeschlagen",
              "name, password or answer was wrong", _WATCH),
    "values_shown": EventKind(1603, _I, (_L,), "{count} values of {contract} read by {user}", "{count} Werte aus {contract} durch {user} abgerufen",
              "values were shown or read out, gathered over 15 minutes", _LOGIN),
    "technician_connected": EventKind(1604, _I, (_S,), "Service technician {user} logged in", "Service-Techniker {user} angemeldet",
              "the certificate of a technician was accepted at the HAN", _ORDERED),
    "login_locked": EventKind(1605, _W, (_S, _L), "Too many failed log-ins for {user}: locked for {seconds} s", "Zu viele Fehlversuche für {user}: gesperrt für {seconds} s",
              "too many log-ins failed in a row", _LOGIN),
    "technician_rejected": EventKind(1606, _W, (_S,), "Service technician rejected: {code}", "Service-Techniker abgelehnt: {code}",
              "the certificate of a technician was refused", _CERTIFICATES),
    "diagnosis_read": EventKind(1607, _I, (_S,), "Service technician {user} read {what}", "Service-Techniker {user} hat {what} gelesen",
              "a technician reads diagnosis data", _NONE),
    "technician_left": EventKind(1608, _I, (_S,), "Service technician {user} logged out", "Service-Techniker {user} abgemeldet",
              "a technician's session ends", _NONE),
    "technician_admitted": EventKind(1610, _I, (_S,), "{partner} admitted service technician {user} until {at}, case {case}", "{partner} hat Service-Techniker {user} bis {at} zugelassen, Fall {case}",
              "the administrator instructs a technician to read diagnosis data", _ORDERED),
    "data_exported": EventKind(1609, _I, (_S, _L), "{what} exported as {form} at the gateway itself", "{what} als {form} direkt am Gateway exportiert",
              "someone with access to the gateway's computer exports its journal while it does not run", _ORDERED),
    # 1800–1899 meters
    "meter_found": EventKind(1801, _I, (_S,), "Meter {meter} is sending", "Zähler {meter} sendet",
              "a meter is heard for the first time, or again", _NONE),
    "meter_lost": EventKind(1802, _W, (_S, _C), "Meter {meter} has been silent since {since}", "Zähler {meter} sendet seit {since} nicht",
              "a period ended without a value of the meter", _METER),
    "meter_fatal": EventKind(1803, _E, (_S, _C, _L), "Meter {meter} reports a fatal error", "Zähler {meter} meldet einen fatalen Fehler",
              "the meter's status word begins to show a fatal error", _EXAMINE),
    "meter_tamper": EventKind(1804, _E, (_S, _C, _L), "Meter {meter} reports manipulation", "Zähler {meter} meldet Manipulation",
              "the meter's status word begins to show manipulation", _EXAMINE),
    "reading_implausible": EventKind(1805, _E, (_S, _C), "Meter {meter}: register {obis} decreased", "Zähler {meter}: Register {obis} ist gefallen",
              "a counter shows less than before; the value is kept and marked", _EXAMINE),
    "meter_paired": EventKind(1806, _I, (_S, _C), "Meter {meter} paired", "Zähler {meter} gekoppelt",
              "keys or certificates of a meter are exchanged", _NONE),
    "telegram_rejected": EventKind(1807, _W, (_S,), "Telegrams on link {link} rejected: {code}, {count} so far", "Telegramme an Anschluss {link} verworfen: {code}, bisher {count}",
              "a telegram can't be verified, decrypted or read and is discarded; the 1st, 10th, 100th … of a kind and link", _METER),
    "meter_unknown": EventKind(1808, _W, (_S,), "Unknown meter {meter} on link {link}", "Unbekannter Zähler {meter} an Anschluss {link}",
              "a meter without profile is heard, once; nothing of it is stored", _PROFILE),
    "value_missing": EventKind(1809, _W, (_S, _L), "Meter {meter}: no value for {target}", "Zähler {meter}: kein Wert für {target}",
              "a period ended without a value near enough; it is marked missing", _METER),
    "link_lost": EventKind(1810, _W, (_S,), "Link {link} lost: {code}", "Anschluss {link} gestört: {code}",
              "a line to meters was closed or can't be opened", _METER),
    "telegram_out_of_order": EventKind(1811, _W, (_S,), "Meter {meter}: telegram of {captured} after that of {latest}, not used", "Zähler {meter}: Telegramm von {captured} nach dem von {latest}, nicht verwendet",
              "a telegram is older than the one before it; once until they are in order again", _CLOCK),
    "values_missing": EventKind(1812, _W, (_S, _L), "Meter {meter}: no values from {first} to {last}, {count} periods", "Zähler {meter}: keine Werte von {first} bis {last}, {count} Perioden",
              "several periods passed at once without a value: after a standstill or a step of the clock", _METER),
    "periods_skipped": EventKind(1813, _E, (_S, _C), "Meter {meter}: periods before {first} are too far back to be marked", "Zähler {meter}: Perioden vor {first} liegen zu weit zurück und werden nicht markiert",
              "a standstill was longer than can be marked period by period", _METER),
    "reading_refused": EventKind(1814, _E, (_S, _C), "Meter {meter}: second value for {target} of register {obis} refused", "Zähler {meter}: zweiter Wert für {target} von Register {obis} abgelehnt",
              "a period that has a value would get another; the first stays", _CLOCK),
    "values_stored": EventKind(1815, _I, (_S,), "Meter {meter}: {stored} values stored for {day}, {missing} missing, {marked} marked", "Zähler {meter}: {stored} Werte für {day} gespeichert, {missing} fehlen, {marked} markiert",
              "a local day of a meter is complete", _NONE),
    "values_given_up": EventKind(1816, _E, (_S, _C), "{count} values were given up while the store took nothing", "{count} Werte wurden verworfen, während der Speicher nichts annahm",
              "the store takes data again after more values waited than memory holds", _SPACE),
    # 1900–1999 store
    "store_filling": EventKind(1901, _W, (_S, _C), "{store} filled to {percent} %", "{store} zu {percent} % gefüllt",
              "readings or a log pass 80 % of their limit", _SPACE),
    "store_nearly_full": EventKind(1902, _E, (_S, _C), "{store} filled to {percent} %: the limit is near", "{store} zu {percent} % gefüllt: Grenze fast erreicht",
              "readings or a log pass 95 % of their limit", _SPACE),
    "storage_full": EventKind(1903, _F, (_S, _C), "Storage is full: measuring stopped", "Speicher voll: Messbetrieb angehalten",
              "the store took nothing more", _SPACE),
    "retention_deleted": EventKind(1904, _I, (_S, _C), "{count} rows of {chain} deleted after their retention time, up to row {number}", "{count} Zeilen von {chain} nach Ablauf der Aufbewahrungsfrist gelöscht, bis Zeile {number}",
              "the oldest rows of a chain go, and a signed cut says so", _NONE),
    "storage_available": EventKind(1905, _I, (_S, _C), "Storage accepts data again: measuring goes on", "Speicher nimmt wieder Daten an: Messbetrieb läuft weiter",
              "the store takes data again", _NONE),
    # 2000–2099 tariffs
    "credit_low": EventKind(2001, _W, (_L,), "Contract {contract}: {remaining} of credit left", "Vertrag {contract}: noch {remaining} Guthaben",
              "the credit of a prepaid contract falls to the warning limit", _ORDERED),
    "credit_used_up": EventKind(2002, _W, (_L,), "Contract {contract}: credit used up ({remaining}), signal to cut off", "Vertrag {contract}: Guthaben verbraucht ({remaining}), Signal zum Abschalten",
              "the credit of a prepaid contract falls to zero or below", _ORDERED),
    "credit_restored": EventKind(2003, _I, (_L,), "Contract {contract}: {remaining} of credit, signal to release", "Vertrag {contract}: {remaining} Guthaben, Signal zum Freigeben",
              "a prepaid contract whose credit was used up has credit again", _NONE),
    "tariff_event": EventKind(2004, _I, (_S, _L), "Contract {contract}: event {name} of {at}, reported by {partner}", "Vertrag {contract}: Ereignis {name} vom {at}, gemeldet von {partner}",
              "the administrator reports a tariff event", _NONE),
    "credit_loaded": EventKind(2005, _I, (_S, _L), "Contract {contract}: credit {credit} loaded by {partner}", "Vertrag {contract}: Guthaben {credit} durch {partner} geladen",
              "the administrator loads a credit", _NONE),
    "device_switched": EventKind(2006, _I, (_S, _L), "Contract {contract}: {device} {action}, ordered by {ordered_by}, reported by {partner}", "Vertrag {contract}: {device} {action}, angeordnet von {ordered_by}, gemeldet von {partner}",
              "a control action is recorded", _ORDERED),
    "calibration_log_full": EventKind(1906, _F, (_S, _C), "Calibration log reached its limit: measuring stopped", "Eichtechnisches Logbuch hat seine Grenze erreicht: Messbetrieb angehalten",
              "the calibration log, of which nothing is ever deleted, reaches its limit", _OPERATOR),
    "logs_full": EventKind(1907, _F, (_S, _C), "{store} reached its limit: Secure State Boot", "{store} hat seine Grenze erreicht: Secure State Boot",
              "system or consumer log reaches its limit with entries too young to go", _OPERATOR),
    "readings_full": EventKind(1908, _F, (_S, _C), "Measured values reached their limit: measuring stopped", "Messwertspeicher hat seine Grenze erreicht: Messbetrieb angehalten",
              "the values stored reach their limit before the oldest may go", _SPACE),
    "limits_set": EventKind(1909, _I, (_S, _C), "Limits of the stores set: {limits}", "Grenzen der Speicher gesetzt: {limits}",
              "the administrator sets how many rows the stores may hold", _NONE),
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
