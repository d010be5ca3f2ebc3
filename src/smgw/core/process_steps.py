"""Which step of the operating processes is logged where: every step of tables 1 to 5 of TR-03109-1 Annex VI that the gateway takes part in.

The annex asks that all actions of gateway, administrator and service technician are logged (table 1 step 5.2, table 2 step 4.2, table 3
steps 5.3, 5.6 and 5.7, table 4 step 4.4, table 5 step 4.1).
Source: LOG-01; TR-03109-1 Annex VI, chapters 2 to 7.
"""

from typing import NamedTuple

from smgw.core.log_event import Log


class ProcessStep(NamedTuple):
    """Name one logged step, its event, and the logs of that event which the step is about."""

    step: str
    """`table.step` as in the annex, or the chapter where there is no table (`2.3.1.3`)."""
    what: str
    event: str
    logs: tuple[Log, ...]


class Process(NamedTuple):
    """Hold one process of the annex."""

    title: str
    table: int
    """Number of its table; 0 for chapter 2, which has none."""
    steps: tuple[ProcessStep, ...]


_S, _C, _L = Log.SYSTEM, Log.CALIBRATION, Log.CONSUMER

PROCESSES: tuple[Process, ...] = (
    Process("Commissioning", 0, (
        ProcessStep("2.3.1.1", "provisional keys generated, seal certificates imported", "certificate_changed", (_S, _C)),
        ProcessStep("2.3.1.3", "integrator opens the local interface with the PIN", "local_access_granted", (_S,)),
        ProcessStep("2.3.1.3", "wrong PIN at the local interface", "local_access_refused", (_S,)),
        ProcessStep("2.3.1.3", "initial configuration file checked and stored", "initial_configuration_loaded", (_S, _C)),
        ProcessStep("2.3.1.3", "initial configuration file refused", "initial_configuration_refused", (_S,)),
        ProcessStep("2.3.2", "first configurator opens the local interface", "local_access_granted", (_S,)),
        ProcessStep("2.3.2", "local interface switched off at the end of installation", "local_interface_disabled", (_S,)),
        ProcessStep("2.3.3", "TLS channel to the stored administrator address", "channel_opened", (_S,)),
        ProcessStep("2.3.3", "operational keys and certificates installed", "certificate_changed", (_S, _C)),
        ProcessStep("2.3.3", "channel closed; from now on operational", "phase_changed", (_S, _C)),
        ProcessStep("2.3.4", "time synchronisation", "time_synchronised", (_S,)),
        ProcessStep("2.3.4", "self-test before measuring", "self_test_passed", (_S, _C, _L)),
        ProcessStep("2.3.4", "profiles transferred and checked", "profile_installed", (_S, _C)),
        ProcessStep("2.3.4", "meters paired", "meter_paired", (_S, _C)),
    )),
    Process("Measurement", 1, (
        ProcessStep("1.2.1", "receives values of a meter in regular intervals", "meter_found", (_S,)),
        ProcessStep("1.2.1", "receives nothing any more", "meter_lost", (_S, _C)),
        ProcessStep("1.2.1", "line to the meters gone", "link_lost", (_S,)),
        ProcessStep("1.2.2", "accepts data only of meters with a profile", "meter_unknown", (_S,)),
        ProcessStep("1.2.3", "verifies the record, discards it when that fails", "telegram_rejected", (_S,)),
        ProcessStep("1.2.4", "decrypts the record", "telegram_rejected", (_S,)),
        ProcessStep("1.3.1", "evaluates the application protocol", "telegram_rejected", (_S,)),
        ProcessStep("1.3.2", "checks the integrity of values", "reading_implausible", (_S, _C)),
        ProcessStep("1.3.2", "order of telegrams", "telegram_out_of_order", (_S,)),
        ProcessStep("1.3.2", "a period gets one value only", "reading_refused", (_S, _C)),
        ProcessStep("1.3.3", "gives values their time stamp; the clock is not valid", "clock_invalid", (_S, _C)),
        ProcessStep("1.3.3", "the clock is valid again", "clock_valid", (_S, _C)),
        ProcessStep("1.3.3", "the clock is stepped", "clock_stepped", (_S, _C)),
        ProcessStep("1.3.3", "the clock went back over stored values", "clock_behind_values", (_S, _C)),
        ProcessStep("1.3.3", "the clock was never set", "clock_not_set", (_S, _C)),
        ProcessStep("1.3.4", "marks a missing value", "value_missing", (_S, _L)),
        ProcessStep("1.3.4", "marks missing values of a standstill", "values_missing", (_S, _L)),
        ProcessStep("1.3.4", "a standstill too long to be marked", "periods_skipped", (_S, _C)),
        ProcessStep("1.3.4", "marks values of a meter with a fatal error", "meter_fatal", (_S, _C, _L)),
        ProcessStep("1.3.4", "marks values of a meter that reports manipulation", "meter_tamper", (_S, _C, _L)),
        ProcessStep("1.4.1", "stores values unchangeably", "values_stored", (_S,)),
        ProcessStep("1.4.1", "the store is full", "storage_full", (_S, _C)),
        ProcessStep("1.4.1", "the store takes data again", "storage_available", (_S, _C)),
        ProcessStep("1.4.1", "values given up meanwhile", "values_given_up", (_S, _C)),
        ProcessStep("1.5.1", "the administrator watches the process by state and logs", "administrator_read", (_S,)),
        ProcessStep("1.5.3", "deletes the oldest values without holes", "retention_deleted", (_S, _C)),
    )),
    Process("Data transfer", 2, (
        ProcessStep("2.1.2", "partners configured in communication profiles", "profile_installed", (_S, _C)),
        ProcessStep("2.1.3", "tariff profiles stored", "profile_installed", (_S, _C)),
        ProcessStep("2.1.3", "the consumer sees who is to get what", "contract_changed", (_L,)),
        ProcessStep("2.2.1", "connects to the participant, told with what the connection carries", "dispatched", (_S, _L)),
        ProcessStep("2.2.1", "no connection to the participant", "handshake_failed", (_S,)),
        ProcessStep("2.2.2.3", "wake-up call for a participant's order", "wake_up_accepted", (_S,)),
        ProcessStep("2.2.2.3", "wake-up call with wrong signature", "wake_up_signature_invalid", (_S,)),
        ProcessStep("2.2.2.3", "wake-up call outside its time", "wake_up_out_of_time", (_S,)),
        ProcessStep("2.2.2.3", "wake-up call repeated", "wake_up_replayed", (_S,)),
        ProcessStep("2.2.2.4", "TLS connection with the administrator", "channel_opened", (_S,)),
        ProcessStep("2.2.2.5", "administrator orders the connection to a participant", "connection_ordered", (_S, _L)),
        ProcessStep("2.2.2.6", "TLS channel to the participant", "channel_opened", (_S,)),
        ProcessStep("2.2.3.5", "administrator orders a spontaneous read-out", "read_out_ordered", (_S, _L)),
        ProcessStep("2.2.3.6", "processes and sends the data", "dispatched", (_S, _L)),
        ProcessStep("2.2.4", "the partner's certificate is not the configured one", "peer_not_configured", (_S,)),
        ProcessStep("2.2.4", "the partner's certificate is not acceptable", "peer_certificate_rejected", (_S,)),
        ProcessStep("2.2.4", "signature of received content does not verify", "content_signature_invalid", (_S,)),
        ProcessStep("2.2.4", "received content can't be decrypted", "content_unreadable", (_S,)),
        ProcessStep("2.3.1.1", "sends register values after each billing period", "dispatched", (_S, _L)),
        ProcessStep("2.3.1.2", "sends status data to participants", "dispatched", (_S, _L)),
        ProcessStep("2.3.1.4", "sends as soon as the channel stands", "dispatched", (_S, _L)),
        ProcessStep("2.3.1.4", "the receiver confirms", "acknowledged", (_S, _L)),
        ProcessStep("2.3.1.5", "keeps data while there is no channel", "handshake_failed", (_S,)),
        ProcessStep("2.3.1.5", "keeps data that was sent without result", "delivery_failed", (_S, _L)),
        ProcessStep("2.3.2.1", "sends without pseudonym", "dispatched", (_S, _L)),
        ProcessStep("2.3.2.4", "sends under a pseudonym to the administrator", "dispatched_pseudonymous", (_S, _L)),
        ProcessStep("2.3.3.2", "sends through a third party", "dispatched_through", (_S, _L)),
        ProcessStep("2.4.1", "tells partners of disturbances by itself", "notice_sent", (_S,)),
        ProcessStep("2.4.4", "deletes after the retention time", "retention_deleted", (_S, _C)),
    )),
    Process("Administration", 3, (
        ProcessStep("3.2.2", "carries out commands after checking their signature", "command_obeyed", (_S,)),
        ProcessStep("3.2.2", "refuses a command", "command_rejected", (_S,)),
        ProcessStep("3.2.2", "device added", "device_registered", (_S, _C)),
        ProcessStep("3.2.2", "device deleted", "device_removed", (_S, _C)),
        ProcessStep("3.2.2", "device assigned to a consumer", "device_assigned", (_S, _C, _L)),
        ProcessStep("3.2.2", "device no longer assigned to a consumer", "device_unassigned", (_S, _C, _L)),
        ProcessStep("3.2.2", "consumer added", "consumer_registered", (_S,)),
        ProcessStep("3.2.2", "consumer deleted", "consumer_removed", (_S, _L)),
        ProcessStep("3.2.2", "consumer's name, password or certificate changed", "credentials_changed", (_S, _L)),
        ProcessStep("3.2.2", "profile stored", "profile_installed", (_S, _C)),
        ProcessStep("3.2.2", "profile activated", "profile_activated", (_S, _C)),
        ProcessStep("3.2.2", "profile deleted", "profile_deleted", (_S, _C)),
        ProcessStep("3.2.2", "key or certificate installed, activated, suspended, deleted", "certificate_changed", (_S, _C)),
        ProcessStep("3.2.2", "algorithm of the security module switched", "algorithm_switched", (_S, _C)),
        ProcessStep("3.2.2", "address of the wake-up service set", "wake_up_configured", (_S,)),
        ProcessStep("3.2.2", "state and logs read", "administrator_read", (_S,)),
        ProcessStep("3.2.3", "self-test after commands", "self_test_passed", (_S, _C, _L)),
        ProcessStep("3.3.1", "wake-up call", "wake_up_accepted", (_S,)),
        ProcessStep("3.3.2", "TLS connection to the administrator", "channel_opened", (_S,)),
        ProcessStep("3.3.3", "order of an update", "firmware_ordered", (_S, _C)),
        ProcessStep("3.3.4", "signature of the order or the image is wrong", "firmware_rejected", (_S, _C)),
        ProcessStep("3.3.5", "new software downloaded", "firmware_downloaded", (_S,)),
        ProcessStep("3.3.5", "new software verified", "firmware_verified", (_S, _C)),
        ProcessStep("3.3.6", "TLS channel closed", "channel_closed", (_S,)),
        ProcessStep("3.3.7", "new software activated", "firmware_activated", (_S, _C, _L)),
        ProcessStep("3.3.7", "new software given up", "firmware_rolled_back", (_S, _C, _L)),
        ProcessStep("3.3.8", "self-test after the update", "self_test_passed", (_S, _C, _L)),
        ProcessStep("3.4.1", "emergency update before its certification", "firmware_not_certified", (_S, _C, _L)),
        ProcessStep("3.5.3", "self-test and its result in the calibration log", "self_test_passed", (_C,)),
        ProcessStep("3.5.3", "failed self-test in the calibration log", "self_test_failed", (_C,)),
        ProcessStep("3.5.6", "all activities of the administrator", "administrator_read", (_S,)),
        ProcessStep("3.5.7", "the consumer sees updates", "firmware_activated", (_L,)),
        ProcessStep("3.5.7", "the consumer sees maintenance", "maintenance_done", (_L,)),
        ProcessStep("3.5.7", "the consumer sees changed contracts", "contract_changed", (_L,)),
        ProcessStep("3.5.8", "the consumer is told of special incidents", "incident_notice", (_L,)),
    )),
    Process("Fault finding and diagnosis", 4, (
        ProcessStep("4.1.1", "a fault occurs: stored data", "integrity_error", (_S, _C)),
        ProcessStep("4.1.1", "a fault occurs: self-test", "self_test_failed", (_S, _C, _L)),
        ProcessStep("4.1.1", "a fault occurs: operating state", "state_changed", (_S, _C)),
        ProcessStep("4.1.1", "a fault occurs: the case is opened", "case_opened", (_S, _C)),
        ProcessStep("4.2.1", "the administrator admits a technician for a case", "technician_admitted", (_S,)),
        ProcessStep("4.2.3", "TLS channel to the technician's device", "technician_connected", (_S,)),
        ProcessStep("4.2.5", "the technician's certificate is refused", "technician_rejected", (_S,)),
        ProcessStep("4.2.6", "diagnosis data is read", "diagnosis_read", (_S,)),
        ProcessStep("4.2.7", "the technician logs off", "technician_left", (_S,)),
    )),
    Process("Change of the administrator", 5, (
        ProcessStep("5.2.5", "data and profiles that are no longer needed deleted", "profile_deleted", (_S, _C)),
        ProcessStep("5.2.6", "connection data of the new administrator received", "administrator_announced", (_S, _C)),
        ProcessStep("5.2.7", "signature of that configuration is wrong", "successor_rejected", (_S,)),
        ProcessStep("5.2.8", "certificate of the new administrator is wrong", "successor_rejected", (_S,)),
        ProcessStep("5.2.9", "connects to the new administrator", "channel_opened", (_S,)),
        ProcessStep("5.2.9", "no connection to the new administrator", "administrator_change_failed", (_S,)),
        ProcessStep("5.2.10", "the new administrator reads the configuration", "administrator_read", (_S,)),
        ProcessStep("5.2.11", "the new administrator enters the result of its check", "configuration_checked", (_S,)),
        ProcessStep("5.2.11", "negative result: the process stops", "administrator_change_aborted", (_S, _C)),
        ProcessStep("5.2.13", "wake-up call checked", "wake_up_accepted", (_S,)),
        ProcessStep("5.2.13", "TLS channel to the new administrator, who takes over", "administrator_changed", (_S, _C, _L)),
        ProcessStep("5.2.14", "the old administrator is deleted", "administrator_removed", (_S, _C)),
        ProcessStep("5.2.15", "further configuration", "profile_installed", (_S, _C)),
        ProcessStep("5.3.1", "keys and certificates of the old administrator deleted", "certificate_changed", (_S, _C)),
    )),
)  # fmt: skip
"""Every logged step, in the order of the annex."""
