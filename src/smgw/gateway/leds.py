"""The four lamps of the device: what each shows in which situation.

PWR: power and operating state; TLS: connection to the administrator; LMC: wired meters; wMT: radio telegrams.
Source: STATE-02; handbook B-3, D.
"""

from smgw.core.instant import ClockStatus
from smgw.core.state import State
from smgw.gateway.han.ports import Led, LedPattern

_POWER: dict[State, LedPattern] = {
    State.BOOT: "blink_500",
    State.NORMAL: "on",
    State.SECURE_BOOT: "blink_50",
    State.SECURE_APPLICATION: "blink_50",
    State.SECURE_CONNECTIVITY: "on",
    State.SECURE_MEASUREMENT: "on",
}


def leds_of(state: State, clock: ClockStatus, *, meters_heard: bool, administrator_connected: bool) -> tuple[Led, ...]:
    """Give the pattern of each lamp; in Secure State Boot all blink with 50 ms."""
    if state is State.SECURE_BOOT:
        return Led("PWR", "blink_50"), Led("TLS", "blink_50"), Led("LMC", "blink_50"), Led("wMT", "blink_50")
    return (
        Led("PWR", _POWER[state]),
        Led("TLS", "on" if administrator_connected else "off"),
        Led("LMC", "on" if meters_heard and clock is ClockStatus.VALID else "off"),
        Led("wMT", "off"),
    )
