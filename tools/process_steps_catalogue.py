"""All steps of tables 1 to 5 of the operating processes: who does what, and the tests beside those that carry the mark `step`.

What a gateway logs of a step stands in `smgw.core.process_steps`. A step that no test can prove says why.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """Hold one step of a table, `table.step`."""

    step: str
    who: str
    what: str
    tests: tuple[str, ...] = ()
    why_no_test: str = ""


GATEWAY, ADMINISTRATOR, METER, PARTICIPANT, TECHNICIAN = "gateway", "administrator", "meter", "participant", "technician"
OLD, NEW = "old administrator", "new administrator"
BOTH = "both administrators"

_MARKET = "an agreement between companies, outside the program"
_MARKS = "tests/core/test_process_steps.py::test_every_step_that_exists_has_a_test_that_makes_it_happen"
_WAKE_UP = "tests/scenario/test_wake_up.py::test_a_gateway_comes_when_something_waits_for_it_and_goes_when_it_is_done"
_CALL = "tests/administrator/test_wakeup.py::test_a_gateway_is_called_with_a_packet_that_it_accepts"
_PSEUDONYM = "tests/scenario/test_passing_on.py::test_under_a_pseudonym_neither_relay_nor_recipient_learns_what_the_other_knows"
_PASSED_ON = "tests/scenario/test_passing_on.py::test_passed_on_openly_a_message_keeps_the_gateway_s_signature"
_READ_OUT = "tests/gateway/test_tariff_orders.py::test_a_read_out_sends_daily_values_and_tells_the_consumer_why"
_ORDERED = "tests/scenario/test_participants_orders.py::test_a_connection_is_ordered_and_made"
_VALUES = "tests/scenario/test_participants_orders.py::test_a_read_out_brings_values_to_the_recipient_and_tells_the_consumer_who_asked"
_PERMITTED = "tests/scenario/test_participants_orders.py::test_what_is_not_permitted_is_refused_and_audited"
_RIGHT = "tests/gateway/test_tariff_orders.py::test_a_read_out_without_right_is_refused"
_DAY = "tests/scenario/test_up.py::test_a_day_is_delivered_verified_and_continued"
_UPDATE = "tests/scenario/test_firmware_update.py::test_a_bad_release_is_given_up_and_a_good_one_runs_with_all_data"
_SITE = "tests/scenario/test_diagnosis_on_site.py::test_a_technician_reads_reports_and_leaves_no_value_behind"
_ADMITTED = "tests/scenario/test_diagnosis_on_site.py::test_only_the_admitted_technician_gets_in_and_only_while_admitted"
_CHANGE = "tests/playbook/test_change_of_administrator.py::test_a_gateway_changes_over_and_every_step_is_logged"
_OFFER = "tests/playbook/test_change_of_administrator.py::test_an_offer_of_somebody_else_is_refused_by_the_old_administrator"
_PROMISED = "tests/playbook/test_change_of_administrator.py::test_a_gateway_that_is_not_as_promised_stays_with_its_administrator"
_MEASURES = "tests/playbook/test_measuring_over_a_change.py::test_no_reading_is_missed_doubled_or_kept_back"
_RIGHTS = "tests/gateway/wan/test_succession_rights.py::test_each_administrator_may_do_at_each_step_what_the_table_says_and_nothing_else"
_CONFIRMED = "tests/cli/test_administrator_succession.py::test_the_end_is_noted_once_the_gateway_was_announced"
_UNKNOWN = "tests/scenario/test_pseudonymous.py::test_a_recipient_can_not_tell_which_gateway_a_message_is_from"
_SAME = "tests/scenario/test_pseudonymous.py::test_what_is_neither_random_nor_content_is_the_same_for_all_gateways"
_GRID = "tests/scenario/test_triggered.py::test_grid_data_goes_under_its_pseudonym_through_the_administrator"
_THRESHOLD = "tests/scenario/test_triggered.py::test_a_value_beyond_its_threshold_is_with_the_participant_at_once"
_WEBHOOK = "tests/scenario/test_alarm_to_webhook.py::test_a_tampered_meter_is_told_once_signed_and_whole_and_so_is_its_end"
_FOUND = "tests/administrator/test_monitoring.py::test_what_is_found"
_BILLED = "tests/gateway/test_tariffs.py::test_the_registers_of_a_period_are_booked_and_sent_once"
_LOGS = "tests/administrator/api/test_logs.py::test_a_log_is_fetched_from_where_the_last_time_ended"

TITLES = {
    1: "Measurement",
    2: "Data transfer",
    3: "Administration",
    4: "Fault finding and diagnosis",
    5: "Change of the administrator",
}

ROWS: tuple[Row, ...] = (
    Row("1.1.1", METER, "measures", ("tests/simulation/test_household.py::test_registers_are_the_integral_of_power",)),
    Row(
        "1.1.2",
        METER,
        "protects what it sends by encryption or signature: wireless meters do; SML of an optical head comes without",
        ("tests/codec/test_oms.py::test_what_is_written_is_read",),
    ),
    Row("1.2.1", "gateway, meter", "values reach the gateway in regular intervals, pushed by the meter"),
    Row("1.2.2", GATEWAY, "takes data only of meters that it has a profile for"),
    Row(
        "1.2.3",
        GATEWAY,
        "verifies each record and discards what fails",
        ("tests/gateway/test_wireless.py::test_what_is_not_acceptable_has_its_reason",),
    ),
    Row(
        "1.2.4",
        GATEWAY,
        "decrypts the record",
        ("tests/codec/test_oms.py::test_the_published_example_gives_its_published_keys_and_values",),
    ),
    Row("1.3.1", GATEWAY, "reads the meter's protocol"),
    Row("1.3.2", GATEWAY, "checks that a value is whole, plausible and the only one of its period"),
    Row("1.3.3", GATEWAY, "stamps values with its own time"),
    Row("1.3.4", GATEWAY, "marks each value as valid or not"),
    Row("1.4.1", GATEWAY, "stores stamped values so that nobody can change them"),
    Row(
        "1.5.1",
        ADMINISTRATOR,
        "watches over all of it",
        (_WEBHOOK, "tests/administrator/api/test_alarms.py::test_an_alarm_is_acknowledged_once_by_a_person"),
    ),
    Row("1.5.2", GATEWAY, "logs what gateway and administrator do", (_MARKS,)),
    Row("1.5.3", GATEWAY, "deletes the oldest values first, and none too early"),
    Row("2.1.1", ADMINISTRATOR, "learns from the consumer's partners what they are to get", why_no_test=_MARKET),
    Row("2.1.2", ADMINISTRATOR, "configures recipients and their keys in communication profiles"),
    Row("2.1.3", ADMINISTRATOR, "puts tariff profiles into the gateway"),
    Row(
        "2.1.4",
        GATEWAY,
        "makes of readings what is to be sent",
        (_BILLED,),
    ),
    Row("2.2.1", GATEWAY, "dials the participant"),
    Row("2.2.2.1", PARTICIPANT, "asks the administrator to have the gateway call it", (_ORDERED,)),
    Row("2.2.2.2", ADMINISTRATOR, "decides whether that is allowed", (_PERMITTED,)),
    Row("2.2.2.3", ADMINISTRATOR, "wakes the gateway up", (_CALL,)),
    Row("2.2.2.4", GATEWAY, "dials the administrator", (_WAKE_UP,)),
    Row("2.2.2.5", ADMINISTRATOR, "orders the connection"),
    Row("2.2.2.6", GATEWAY, "dials the participant as TLS client; both prove who they are"),
    Row("2.2.3.1", PARTICIPANT, "asks the administrator for values out of turn", (_VALUES,)),
    Row("2.2.3.2", ADMINISTRATOR, "decides whether that is allowed; the gateway checks it once more", (_PERMITTED, _RIGHT)),
    Row("2.2.3.3", ADMINISTRATOR, "wakes the gateway up", (_CALL,)),
    Row("2.2.3.4", GATEWAY, "dials the administrator", (_WAKE_UP,)),
    Row("2.2.3.5", ADMINISTRATOR, "orders the read-out"),
    Row("2.2.3.6", GATEWAY, "works the values up and sends them", (_READ_OUT,)),
    Row("2.2.4", "gateway, participant", "protect channel and content: TLS, encryption, signature", (_DAY,)),
    Row("2.3.1.1", GATEWAY, "sends the registers of each billing period", (_BILLED,)),
    Row(
        "2.3.1.2",
        GATEWAY,
        "sends data of the grid's state",
        (_THRESHOLD, _GRID, "tests/gateway/test_live_values.py::test_values_are_pushed_by_time_and_never_stored"),
    ),
    Row(
        "2.3.1.3",
        GATEWAY,
        "waits until there is a connection",
        ("tests/gateway/test_delivery.py::test_a_partner_that_is_away_is_tried_again_after_a_pause",),
    ),
    Row("2.3.1.4", GATEWAY, "sends at once while there is a connection"),
    Row("2.3.1.5", GATEWAY, "keeps what could not be sent"),
    Row("2.3.2.1", GATEWAY, "sends billing data under its own name"),
    Row(
        "2.3.2.2",
        GATEWAY,
        "puts a pseudonym in the place of the meter",
        (_GRID, "tests/gateway/test_live_values.py::test_a_pseudonym_stands_for_meter_and_metering_point"),
    ),
    Row("2.3.2.3", GATEWAY, "encrypts to the recipient and signs", (_PSEUDONYM, _SAME)),
    Row("2.3.2.4", GATEWAY, "hands it to the administrator"),
    Row("2.3.2.5", ADMINISTRATOR, "verifies the signature and takes it off", (_PSEUDONYM, _UNKNOWN)),
    Row("2.3.2.6", ADMINISTRATOR, "passes the rest on", (_PSEUDONYM, _UNKNOWN)),
    Row("2.3.2.7", PARTICIPANT, "decrypts it", (_PSEUDONYM,)),
    Row("2.3.3.1", GATEWAY, "addresses and encrypts to the last recipient", (_PASSED_ON,)),
    Row("2.3.3.2", GATEWAY, "hands it to a participant at the end of its TLS channel"),
    Row("2.3.3.3", PARTICIPANT, "verifies the signature; where wanted, takes it off", (_PASSED_ON, _UNKNOWN)),
    Row("2.3.3.4", PARTICIPANT, "passes it on to the last recipient", (_PASSED_ON,)),
    Row("2.4.1", GATEWAY, "tells partners of disturbances by itself"),
    Row(
        "2.4.2",
        GATEWAY,
        "logs what was sent to whom",
        ("tests/gateway/test_delivery.py::test_the_consumer_sees_what_left_to_whom_and_how_each_dispatch_ended",),
    ),
    Row(
        "2.4.3",
        ADMINISTRATOR,
        "sees whether deliveries work",
        (_FOUND,),
    ),
    Row(
        "2.4.4",
        "administrator, gateway, participant",
        "keep data as long as they must; the gateway deletes it then by its rules, the others keep what was delivered to them",
    ),
    Row("3.1.1", ADMINISTRATOR, "has what it needs to know", why_no_test=_MARKET),
    Row(
        "3.2.1",
        ADMINISTRATOR,
        "sends commands and data",
        ("tests/administrator/test_administrator_management.py::test_a_gateway_is_brought_to_its_profiles_once",),
    ),
    Row("3.2.2", GATEWAY, "obeys once the command's signature is verified"),
    Row("3.2.3", GATEWAY, "tests itself"),
    Row("3.3.1", ADMINISTRATOR, "wakes the gateway up", (_CALL,)),
    Row("3.3.2", GATEWAY, "dials the administrator", (_WAKE_UP,)),
    Row("3.3.3", ADMINISTRATOR, "orders the update", (_UPDATE,)),
    Row("3.3.4", GATEWAY, "verifies the order's signature and the package's"),
    Row("3.3.5", GATEWAY, "downloads the new version over an encrypted, authenticated connection", (_UPDATE,)),
    Row("3.3.6", GATEWAY, "closes the channel"),
    Row("3.3.7", GATEWAY, "activates the new version, or returns to the one before", (_UPDATE,)),
    Row("3.3.8", GATEWAY, "tests itself", (_UPDATE,)),
    Row(
        "3.4.1",
        ADMINISTRATOR,
        "brings in a version that is not certified yet, in an emergency only",
        ("tests/administrator/test_releases.py::test_only_certified_versions_and_emergencies_are_offered",),
    ),
    Row(
        "3.4.2",
        ADMINISTRATOR,
        "sees to the certification afterwards",
        why_no_test="a duty of manufacturer and administrator towards the authority",
    ),
    Row(
        "3.5.1",
        ADMINISTRATOR,
        "has the gateway calibrated again where that is needed",
        why_no_test="a duty towards the calibration authority",
    ),
    Row(
        "3.5.2",
        GATEWAY,
        "tests itself after commands",
        ("tests/gateway/test_upkeep.py::test_a_gateway_tests_itself_at_start_every_24_hours_and_on_demand",),
    ),
    Row("3.5.3", GATEWAY, "writes the self-test and its result into the calibration log"),
    Row("3.5.4", ADMINISTRATOR, "watches the self-tests", (_FOUND, _LOGS)),
    Row(
        "3.5.5",
        ADMINISTRATOR,
        "acts when something fails",
        ("tests/administrator/test_campaigns.py::test_a_bad_release_stops_at_the_first_stage",),
    ),
    Row("3.5.6", GATEWAY, "logs all that the administrator does"),
    Row("3.5.7", "gateway, administrator", "the consumer reads of updates, maintenance and changed contracts in its own log"),
    Row("3.5.8", "gateway, administrator", "the consumer is told of special incidents"),
    Row(
        "3.5.9",
        ADMINISTRATOR,
        "keeps and deletes data as it must",
        (_SITE, "tests/administrator/test_wakeup.py::test_only_so_many_calls_are_kept"),
    ),
    Row("4.1.1", "–", "something goes wrong"),
    Row("4.1.2", ADMINISTRATOR, "can't find out over the WAN what it is", why_no_test="a finding of people"),
    Row("4.1.3", TECHNICIAN, "has a certificate of the SM-PKI for logging on", (_ADMITTED,)),
    Row("4.2.1", ADMINISTRATOR, "sends the technician and admits it at the gateway for a time"),
    Row("4.2.2", TECHNICIAN, "connects at the consumer's side", (_SITE,)),
    Row("4.2.3", "technician, gateway", "set up a TLS channel"),
    Row("4.2.4", TECHNICIAN, "shows its certificate", (_ADMITTED,)),
    Row("4.2.5", GATEWAY, "checks that certificate"),
    Row("4.2.6", TECHNICIAN, "reads what helps to find the fault, and can change nothing"),
    Row("4.2.7", TECHNICIAN, "logs off"),
    Row(
        "4.3.1",
        "administrator, technician",
        "find the fault in what was read",
        why_no_test="work of people; step 4.1 proves what they have for it",
    ),
    Row("4.3.2", "administrator, technician", "mend it or have it mended", why_no_test="work of people"),
    Row("4.4.1", TECHNICIAN, "hands data and report to the administrator, signed and encrypted", (_SITE,)),
    Row("4.4.2", ADMINISTRATOR, "keeps what must be kept of it and deletes the rest", (_SITE,)),
    Row(
        "4.4.3",
        TECHNICIAN,
        "deletes its own copy",
        why_no_test="on a device that isn't ours; the gateway's diagnosis is readable for the administrator alone",
    ),
    Row("4.4.4", GATEWAY, "logs what gateway, administrator and technician do", (_SITE,)),
    Row("5.1.1", "all", "tell each other of the change", why_no_test=_MARKET),
    Row("5.1.2", NEW, "is entitled to administer", why_no_test="a certification of its operation by the authority"),
    Row("5.1.3", GATEWAY, "works normally", (_MEASURES,)),
    Row("5.1.4", "gateway, both administrators", "the gateway obeys the old one, and the new one can't do anything yet", (_RIGHTS,)),
    Row("5.1.5", BOTH, "have told each other what is needed", why_no_test=_MARKET),
    Row("5.1.6", NEW, "has its certificates of the SM-PKI", (_CHANGE,)),
    Row("5.2.1", NEW, "announces the change to the old one", why_no_test=_MARKET),
    Row("5.2.2", OLD, "sends what it knows of the gateway, sealed", (_PROMISED, _OFFER)),
    Row("5.2.3", NEW, "sends certificates and address, signed", (_OFFER,)),
    Row("5.2.4", OLD, "checks those certificates", (_OFFER,)),
    Row("5.2.5", OLD, "saves data from the gateway; deletes what is no longer needed", (_LOGS,)),
    Row("5.2.6", OLD, "hands the new one's data to the gateway"),
    Row("5.2.7", GATEWAY, "verifies the signature"),
    Row("5.2.8", GATEWAY, "verifies the new one's certificates up to the root"),
    Row("5.2.9", GATEWAY, "dials the new one"),
    Row("5.2.10", NEW, "reads the configuration and compares it with what was promised", (_PROMISED,)),
    Row("5.2.11", NEW, "enters the result in the gateway's system log"),
    Row("5.2.12", NEW, "ends the connection and wakes the gateway up", (_MEASURES,)),
    Row("5.2.13", GATEWAY, "checks the wake-up packet and dials the new one, who is the administrator from now on"),
    Row("5.2.14", NEW, "deletes the old one on the gateway"),
    Row("5.2.15", NEW, "configures what else is needed"),
    Row("5.2.16", "all", "are told that the change is done; the old one notes it", (_CONFIRMED,)),
    Row("5.3.1", BOTH, "the change is confirmed; the old one's certificates are gone from the gateway"),
    Row(
        "5.3.2",
        OLD,
        "can't do anything any more",
        (_RIGHTS, _MEASURES),
    ),
    Row("5.3.3", NEW, "is configured", (_CHANGE, _RIGHTS)),
    Row("5.3.4", BOTH, "tell each other what is left to tell", why_no_test=_MARKET),
    Row("5.3.5", GATEWAY, "works normally", (_MEASURES,)),
    Row("5.4.1", GATEWAY, "logs what gateway and both administrators do", (_MEASURES,)),
)
"""Every step of the five tables, in their order."""
