"""The four lamps of the device: what each shows in which situation, as functions of state, inputs and time.

PWR: power and operating state; TLS: connection to the administrator; LMC: wired meters; wMT: radio telegrams and, in the first minute, the
strength of the mobile signal. Time is in milliseconds of a clock that only grows.
Source: STATE-02; handbook B-3, D.
"""

from itertools import accumulate
from typing import Literal, NamedTuple, get_args

from smgw.core.state import STATES, LampPattern, ShownPattern, SignalPattern, State
from smgw.gateway.han.ports import Led

LampName = Literal["PWR", "TLS", "LMC", "wMT"]
Signal = Literal["good", "medium", "bad", "none"]
Pattern = ShownPattern
Administrator = Literal["none", "connecting", "seal", "operational"]
"""No channel, a channel being set up, a channel with the seal's certificates (German: Gütesiegel), one with operational certificates."""

LAMPS: tuple[LampName, ...] = get_args(LampName)

WAKE_UP_MS = 3_000
"""TLS blinks so long after a wake-up packet."""

RADIO_MS = 500
"""wMT shines so long for each complete radio telegram."""

SIGNAL_MS = 60_000
"""wMT shows the mobile signal so long after the start."""

STEP_MS = 25
"""Every pattern changes only at multiples of this."""

_GAP = (500, 250)

PHASES: dict[Pattern, tuple[int, ...]] = {
    "off": (0, STEP_MS),
    "on": (STEP_MS,),
    "blink_500": (500, 500),
    "blink_250": (250, 250),
    "blink_125": (125, 125),
    "blink_50": (50, 50),
    "signal_good": (*_GAP * 3, 750),
    "signal_medium": (*_GAP * 2, 1_500),
    "signal_bad": (*_GAP, 2_250),
    "signal_none": (1_500, 1_500),
}
"""Pattern -> milliseconds lit, dark, lit …, again and again.

The handbook shows the signal patterns in a figure only: in each 3 s as many gaps as the signal has bars, and half dark without any, are
this project's choice.
"""

MEANINGS: tuple[tuple[LampName, Pattern, str], ...] = (
    ("PWR", "blink_500", "The checks of the start are passed; the gateway is not ready yet."),
    ("PWR", "on", "The gateway is ready for operation."),
    ("PWR", "blink_50", "Secure State Application or Secure State Boot."),
    ("TLS", "off", "No TLS channel to the administrator."),
    ("TLS", "blink_250", "The channel is being set up, or stands with the seal's certificates."),
    ("TLS", "on", "The channel stands with operational certificates."),
    ("TLS", "blink_125", "For 3 s after a valid wake-up packet."),
    ("LMC", "on", "At least one wired meter is connected, and the time is synchronised."),
    ("wMT", "on", "For 500 ms after each complete radio telegram."),
    ("wMT", "signal_good", "In the first minute with a mobile link: its signal is good."),
    ("wMT", "signal_medium", "In the first minute: the signal is medium."),
    ("wMT", "signal_bad", "In the first minute: the signal is bad."),
    ("wMT", "signal_none", "In the first minute: there is no signal."),
)
"""What each lamp stands for, for people; a lamp is off where no row holds. Source: handbook B-3, table 4."""

_TLS: dict[Administrator, LampPattern] = {"none": "off", "connecting": "blink_250", "seal": "blink_250", "operational": "on"}

_SIGNALS: dict[Signal, SignalPattern] = {"good": "signal_good", "medium": "signal_medium", "bad": "signal_bad", "none": "signal_none"}


class LampInputs(NamedTuple):
    """Hold what the lamps depend on besides the state; times in milliseconds."""

    started_ms: int = 0
    ready: bool = False
    """Whether Normal was reached since the start."""
    administrator: Administrator = "none"
    wired_meter: bool = False
    """Whether at least one wired meter is connected."""
    time_set: bool = False
    """Whether the time is synchronised."""
    woken_ms: int | None = None
    """When the last valid wake-up packet came."""
    radio_ms: int | None = None
    """When the last complete radio telegram came."""
    signal: Signal | None = None
    """Strength of the mobile signal; None without a mobile link."""


def patterns_of(state: State, inputs: LampInputs, now_ms: int) -> dict[LampName, Pattern]:
    """Give the pattern of each lamp."""
    shown = STATES[state]
    if shown.others is not None:
        return {"PWR": shown.power, "TLS": shown.others, "LMC": shown.others, "wMT": shown.others}
    # Between the end of the checks and the first Normal the device is not ready yet, whatever it waits for.
    waiting = shown.power == "on" and not inputs.ready and state is not State.NORMAL
    return {
        "PWR": "blink_500" if waiting else shown.power,
        "TLS": _tls(inputs, now_ms),
        "LMC": "on" if inputs.wired_meter and inputs.time_set else "off",
        "wMT": _wmt(inputs, now_ms),
    }


def _tls(inputs: LampInputs, now_ms: int) -> Pattern:
    if inputs.woken_ms is not None and 0 <= now_ms - inputs.woken_ms < WAKE_UP_MS:
        return "blink_125"
    return _TLS[inputs.administrator]


def _wmt(inputs: LampInputs, now_ms: int) -> Pattern:
    if inputs.signal is not None and now_ms - inputs.started_ms < SIGNAL_MS:
        return _SIGNALS[inputs.signal]
    return "on" if inputs.radio_ms is not None and 0 <= now_ms - inputs.radio_ms < RADIO_MS else "off"


def is_lit(pattern: Pattern, now_ms: int) -> bool:
    """Tell whether a lamp with this pattern shines at this moment."""
    phases = PHASES[pattern]
    position = now_ms % sum(phases)
    return next(number for number, end in enumerate(accumulate(phases)) if position < end) % 2 == 0


def leds_of(state: State, inputs: LampInputs, now_ms: int) -> tuple[Led, ...]:
    """Give the lamps as pages and machines are told of them."""
    patterns = patterns_of(state, inputs, now_ms)
    return tuple(Led(name, patterns[name], _rhythm(patterns[name])) for name in LAMPS)


def _rhythm(pattern: Pattern) -> tuple[int, ...]:
    return () if pattern in ("on", "off") else PHASES[pattern]
