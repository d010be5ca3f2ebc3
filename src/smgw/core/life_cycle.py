"""The life of a gateway as one table: which phase allows which action to whom, what must be done before, and where it leads.

What was done is kept as a set of marks beside the phase, for integration may come before or after pre-personalisation 1 and each action
must be able to go on after a power cut. An action that the table does not allow is refused with the phase that it needs.
Source: LIFE-01 to LIFE-11; TR-03109-1 Annex VI, chapter 2.3.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from smgw.core.errors import DomainFault


class Phase(StrEnum):
    """Name the phases of a gateway's life in their order (German: Lebenszyklusphasen)."""

    MANUFACTURED = "manufactured"
    PRE_PERSONALISATION_1 = "pre-personalisation-1"
    INTEGRATION = "integration"
    PRE_PERSONALISATION_2 = "pre-personalisation-2"
    INSTALLATION = "installation"
    PERSONALISATION = "personalisation"
    NORMAL_OPERATION = "normal-operation"
    DECOMMISSIONED = "decommissioned"


class Actor(StrEnum):
    """Name who acts on a gateway."""

    INTEGRATOR = "integrator"
    FIRST_CONFIGURATOR = "first_configurator"
    ADMINISTRATOR = "administrator"
    GATEWAY = "gateway"


class Mark(StrEnum):
    """Name what has been done for good."""

    ROOT = "root"
    PROVISIONAL_KEYS = "provisional_keys"
    SEAL = "seal"
    STORAGE_KEY = "storage_key"
    PAIRED = "paired"
    CONFIGURATION = "configuration"
    OPERATIONAL_KEYS = "operational_keys"
    OPERATIONAL_CERTIFICATES = "operational_certificates"
    TIME = "time"
    SELF_TEST = "self_test"
    PROFILES = "profiles"
    METERS = "meters"
    ANNOUNCED = "announced"


class Action(StrEnum):
    """Name what can be done to a gateway, or by it, in some phase."""

    IMPORT_ROOT = "import_root"
    MAKE_PROVISIONAL_KEYS = "make_provisional_keys"
    REQUEST_SEAL = "request_seal"
    IMPORT_SEAL = "import_seal"
    MAKE_STORAGE_KEY = "make_storage_key"
    PAIR_MODULE = "pair_module"
    LOAD_CONFIGURATION = "load_configuration"
    ERASE_IMPORT_KEYS = "erase_import_keys"
    SET_NETWORK = "set_network"
    READ_SYSTEM_LOG = "read_system_log"
    CORRECT_ADDRESS = "correct_address"
    RESET_PIN = "reset_pin"
    FINISH_INSTALLATION = "finish_installation"
    AUTHENTICATE = "authenticate"
    MAKE_OPERATIONAL_KEYS = "make_operational_keys"
    INSTALL_OPERATIONAL_CERTIFICATES = "install_operational_certificates"
    BEGIN_OPERATION = "begin_operation"
    SYNCHRONISE_TIME = "synchronise_time"
    UPDATE_FIRMWARE = "update_firmware"
    TEST_ITSELF = "test_itself"
    INSTALL_PROFILE = "install_profile"
    PAIR_METER = "pair_meter"
    MEASURE = "measure"
    OBEY_ORDER = "obey_order"
    RENEW_KEYS = "renew_keys"
    INSTALL_RENEWED_CERTIFICATES = "install_renewed_certificates"
    ANNOUNCE_END = "announce_end"
    DECOMMISSION = "decommission"


class Rule(NamedTuple):
    """Allow one action to one actor in one phase."""

    phase: Phase
    action: Action
    actor: Actor
    needs: frozenset[Mark] = frozenset()
    """Done before."""
    lacks: frozenset[Mark] = frozenset()
    """Not done before."""
    gives: frozenset[Mark] = frozenset()
    """Done by it."""
    after: Phase | None = None
    """Phase that it leads to; None leaves the phase as it is."""
    events: tuple[str, ...] = ()
    """What it writes into the logs, beside `phase_changed` where the phase changes."""


def _marks(*marks: Mark) -> frozenset[Mark]:
    return frozenset(marks)


_P, _A, _M = Phase, Action, Mark
_PRE_1, _INTEGRATION, _PRE_2 = _P.PRE_PERSONALISATION_1, _P.INTEGRATION, _P.PRE_PERSONALISATION_2
_PERSONAL, _NORMAL = _P.PERSONALISATION, _P.NORMAL_OPERATION
_BY, _CONF, _ADM, _SELF = Actor.INTEGRATOR, Actor.FIRST_CONFIGURATOR, Actor.ADMINISTRATOR, Actor.GATEWAY
_NONE = frozenset[Mark]()
_READY = _marks(_M.TIME, _M.SELF_TEST)
_CERTIFICATE = ("certificate_changed",)

RULES: tuple[Rule, ...] = (
    Rule(_P.MANUFACTURED, _A.IMPORT_ROOT, _BY, gives=_marks(_M.ROOT), after=_PRE_1, events=_CERTIFICATE),
    Rule(_P.MANUFACTURED, _A.MAKE_STORAGE_KEY, _BY, gives=_marks(_M.STORAGE_KEY), after=_INTEGRATION),
    Rule(_PRE_1, _A.IMPORT_ROOT, _BY, lacks=_marks(_M.ROOT), gives=_marks(_M.ROOT), events=_CERTIFICATE),
    Rule(_PRE_1, _A.MAKE_PROVISIONAL_KEYS, _BY, _marks(_M.ROOT), _marks(_M.PROVISIONAL_KEYS), _marks(_M.PROVISIONAL_KEYS),
         events=_CERTIFICATE),
    Rule(_PRE_1, _A.REQUEST_SEAL, _BY, _marks(_M.PROVISIONAL_KEYS)),
    Rule(_PRE_1, _A.IMPORT_SEAL, _BY, _marks(_M.PROVISIONAL_KEYS), _marks(_M.PAIRED), _marks(_M.SEAL), _INTEGRATION, _CERTIFICATE),
    Rule(_PRE_1, _A.IMPORT_SEAL, _BY, _marks(_M.PROVISIONAL_KEYS, _M.PAIRED), _NONE, _marks(_M.SEAL), _PRE_2, _CERTIFICATE),
    Rule(_INTEGRATION, _A.MAKE_STORAGE_KEY, _BY, lacks=_marks(_M.STORAGE_KEY), gives=_marks(_M.STORAGE_KEY)),
    Rule(_INTEGRATION, _A.PAIR_MODULE, _BY, _marks(_M.STORAGE_KEY), _marks(_M.SEAL), _marks(_M.PAIRED), _PRE_1),
    Rule(_INTEGRATION, _A.PAIR_MODULE, _BY, _marks(_M.STORAGE_KEY, _M.SEAL), _NONE, _marks(_M.PAIRED), _PRE_2),
    Rule(_PRE_2, _A.LOAD_CONFIGURATION, _BY, lacks=_marks(_M.CONFIGURATION), gives=_marks(_M.CONFIGURATION),
         events=("initial_configuration_loaded",)),
    Rule(_PRE_2, _A.ERASE_IMPORT_KEYS, _BY, _marks(_M.CONFIGURATION), after=_P.INSTALLATION),
    Rule(_P.INSTALLATION, _A.SET_NETWORK, _CONF, events=("network_configured",)),
    Rule(_P.INSTALLATION, _A.READ_SYSTEM_LOG, _CONF),
    Rule(_P.INSTALLATION, _A.CORRECT_ADDRESS, _CONF, events=("administrator_address_corrected",)),
    Rule(_P.INSTALLATION, _A.RESET_PIN, _BY, events=("local_pin_reset",)),
    Rule(_P.INSTALLATION, _A.FINISH_INSTALLATION, _CONF, after=_PERSONAL, events=("local_interface_disabled",)),
    Rule(_PERSONAL, _A.AUTHENTICATE, _ADM, events=("administrator_authenticated",)),
    Rule(_PERSONAL, _A.MAKE_OPERATIONAL_KEYS, _ADM, gives=_marks(_M.OPERATIONAL_KEYS), events=_CERTIFICATE),
    Rule(_PERSONAL, _A.INSTALL_OPERATIONAL_CERTIFICATES, _ADM, _marks(_M.OPERATIONAL_KEYS), _NONE,
         _marks(_M.OPERATIONAL_CERTIFICATES), events=_CERTIFICATE),
    Rule(_PERSONAL, _A.BEGIN_OPERATION, _SELF, _marks(_M.OPERATIONAL_CERTIFICATES), after=_NORMAL, events=("channel_closed",)),
    Rule(_NORMAL, _A.SYNCHRONISE_TIME, _SELF, gives=_marks(_M.TIME), events=("time_synchronised",)),
    Rule(_NORMAL, _A.UPDATE_FIRMWARE, _ADM, _marks(_M.TIME)),
    Rule(_NORMAL, _A.TEST_ITSELF, _SELF, _marks(_M.TIME), gives=_marks(_M.SELF_TEST), events=("self_test_passed",)),
    Rule(_NORMAL, _A.INSTALL_PROFILE, _ADM, _READY, gives=_marks(_M.PROFILES), events=("profile_installed",)),
    Rule(_NORMAL, _A.PAIR_METER, _SELF, _READY | {_M.PROFILES}, gives=_marks(_M.METERS), events=("meter_paired",)),
    Rule(_NORMAL, _A.MEASURE, _SELF, _READY | {_M.PROFILES, _M.METERS}),
    Rule(_NORMAL, _A.OBEY_ORDER, _ADM, _READY),
    Rule(_NORMAL, _A.AUTHENTICATE, _ADM, events=("administrator_authenticated",)),
    Rule(_NORMAL, _A.RENEW_KEYS, _ADM, events=_CERTIFICATE),
    Rule(_NORMAL, _A.INSTALL_RENEWED_CERTIFICATES, _ADM, events=_CERTIFICATE),
    Rule(_NORMAL, _A.ANNOUNCE_END, _ADM, gives=_marks(_M.ANNOUNCED), events=("decommissioning_announced",)),
    Rule(_NORMAL, _A.DECOMMISSION, _ADM, _marks(_M.ANNOUNCED), after=_P.DECOMMISSIONED, events=("decommissioned",)),
)  # fmt: skip
"""Everything that is allowed; nothing else is. No row leads out of `decommissioned`."""


class Description(NamedTuple):
    """Say what a phase is, in the annex's words."""

    german: str
    meaning: str
    clause: str


PHASES: dict[Phase, Description] = {
    Phase.MANUFACTURED: Description(
        "hergestellt", "Program, device id and an initialised security module; no key, no certificate, no store.", "2.1, 2.2"
    ),
    Phase.PRE_PERSONALISATION_1: Description(
        "Vor-Personalisierung 1",
        "Root certificate, provisional keys made on board, seal certificates: nothing that depends on the administrator.",
        "2.3.1.1",
    ),
    Phase.INTEGRATION: Description(
        "Integration", "Storage key, and pairing of gateway and security module by the gateway system PIN.", "2.3.1.2"
    ),
    Phase.PRE_PERSONALISATION_2: Description(
        "Vor-Personalisierung 2", "The administrator's signed initial configuration file is loaded; import keys are erased.", "2.3.1.3"
    ),
    Phase.INSTALLATION: Description(
        "Installation und Vor-Ort-Inbetriebnahme",
        "Network parameters, a look into the system log, the administrator's address; its end switches the local interface off for good.",
        "2.3.2",
    ),
    Phase.PERSONALISATION: Description(
        "Personalisierung", "The administrator has operational keys made on board and installs their certificates.", "2.3.3"
    ),
    Phase.NORMAL_OPERATION: Description(
        "Normalbetrieb", "Time, update, self-test, profiles and pairing, in this order; then measuring.", "2.3.4"
    ),
    Phase.DECOMMISSIONED: Description("außer Betrieb", "Keys and personal data are erased; nothing is possible any more.", "1"),
}

MARKS: dict[Mark, str] = {
    Mark.ROOT: "the SM-PKI's root certificate is in the security module",
    Mark.PROVISIONAL_KEYS: "the provisional keys are made",
    Mark.SEAL: "the seal certificates (Gütesiegelzertifikate) are imported",
    Mark.STORAGE_KEY: "the storage key is made",
    Mark.PAIRED: "gateway and security module are paired",
    Mark.CONFIGURATION: "the initial configuration file is loaded",
    Mark.OPERATIONAL_KEYS: "the operational keys are made",
    Mark.OPERATIONAL_CERTIFICATES: "the operational certificates are installed",
    Mark.TIME: "the time was synchronised",
    Mark.SELF_TEST: "the self-test was passed",
    Mark.PROFILES: "a profile is installed",
    Mark.METERS: "a meter is paired",
    Mark.ANNOUNCED: "the end was announced",
}


class Life(NamedTuple):
    """Hold where a gateway stands in its life."""

    phase: Phase
    marks: frozenset[Mark] = frozenset()


def step(life: Life, action: Action) -> Rule:
    """Give the rule that allows an action now.

    Raises: DomainFault lifecycle.phase in a phase without it, lifecycle.order when something must be done before or was done already.
    """
    rows = [rule for rule in RULES if rule.action is action and rule.phase is life.phase]
    if not rows:
        raise DomainFault("lifecycle.phase", f"{action} needs {' or '.join(phases_of(action))}; this gateway is in {life.phase}")
    for rule in rows:
        if rule.needs <= life.marks and not rule.lacks & life.marks:
            return rule
    missing = min((sorted(rule.needs - life.marks) for rule in rows), key=len)
    why = f"first {', '.join(MARKS[mark] for mark in missing)}" if missing else "it was done already"
    raise DomainFault("lifecycle.order", f"{action}: {why}")


def after(life: Life, rule: Rule) -> Life:
    """Give where a gateway stands once a rule's action is done."""
    return Life(rule.after or life.phase, life.marks | rule.gives)


def phases_of(action: Action) -> list[Phase]:
    """List the phases that allow an action, in their order."""
    return [phase for phase in Phase if any(rule.action is action and rule.phase is phase for rule in RULES)]


def possible(life: Life, actors: Iterable[Actor] = Actor) -> list[Action]:
    """List what can be done now by some actors, in the order of the table."""
    among = frozenset(actors)
    found = [
        rule.action
        for rule in RULES
        if rule.phase is life.phase and rule.actor in among and rule.needs <= life.marks and not rule.lacks & life.marks
    ]
    return list(dict.fromkeys(found))


OPERATIONAL = Life(Phase.NORMAL_OPERATION, frozenset(Mark) - {Mark.ANNOUNCED})
"""A gateway at work."""
