"""The lamps: what each shows when, and the exact rhythm of every pattern."""

import pytest

from smgw.core.state import STATES, State
from smgw.gateway.leds import LAMPS, PHASES, STEP_MS, LampInputs, LampName, Pattern, is_lit, leds_of, patterns_of

pytestmark = pytest.mark.req("STATE-02")

ALL = LampInputs(started_ms=0, ready=True, administrator="operational", wired_meter=True, time_set=True)
LATER = 10_000_000


def shown(state: State, inputs: LampInputs, now_ms: int = LATER) -> list[Pattern]:
    patterns = patterns_of(state, inputs, now_ms)
    assert tuple(patterns) == LAMPS
    return list(patterns.values())


@pytest.mark.parametrize(
    ("state", "inputs", "patterns"),
    [
        (State.BOOT, LampInputs(), ["off"] * 4),
        (State.RESTART_LOOP, ALL, ["off"] * 4),
        (State.SECURE_BOOT, ALL, ["blink_50"] * 4),
        (State.SECURE_MEASUREMENT, LampInputs(), ["blink_500", "off", "off", "off"]),
        (State.SECURE_CONNECTIVITY, LampInputs(), ["blink_500", "off", "off", "off"]),
        (State.SECURE_MEASUREMENT, ALL._replace(time_set=False), ["on", "on", "off", "off"]),
        (State.SECURE_CONNECTIVITY, ALL, ["on", "on", "on", "off"]),
        (State.SECURE_APPLICATION, ALL, ["blink_50", "on", "on", "off"]),
        (State.SECURE_APPLICATION, LampInputs(), ["blink_50", "off", "off", "off"]),
        (State.NORMAL, LampInputs(), ["on", "off", "off", "off"]),
        (State.NORMAL, ALL, ["on", "on", "on", "off"]),
        (State.NORMAL, ALL._replace(administrator="connecting"), ["on", "blink_250", "on", "off"]),
        (State.NORMAL, ALL._replace(administrator="seal"), ["on", "blink_250", "on", "off"]),
        (State.NORMAL, ALL._replace(administrator="none"), ["on", "off", "on", "off"]),
        (State.NORMAL, ALL._replace(wired_meter=False), ["on", "on", "off", "off"]),
        (State.NORMAL, ALL._replace(time_set=False), ["on", "on", "off", "off"]),
    ],
)
def test_the_lamps_show_the_state(state: State, inputs: LampInputs, patterns: list[Pattern]) -> None:
    assert shown(state, inputs) == patterns


@pytest.mark.parametrize(("after_ms", "pattern"), [(-1, "on"), (0, "blink_125"), (2_999, "blink_125"), (3_000, "on")])
def test_a_wake_up_packet_blinks_for_three_seconds(after_ms: int, pattern: Pattern) -> None:
    assert patterns_of(State.NORMAL, ALL._replace(woken_ms=LATER), LATER + after_ms)["TLS"] == pattern


@pytest.mark.parametrize(("after_ms", "pattern"), [(-1, "off"), (0, "on"), (499, "on"), (500, "off")])
def test_a_radio_telegram_shines_for_half_a_second(after_ms: int, pattern: Pattern) -> None:
    assert patterns_of(State.NORMAL, ALL._replace(radio_ms=LATER), LATER + after_ms)["wMT"] == pattern


@pytest.mark.parametrize("signal", ["good", "medium", "bad", "none"])
def test_the_mobile_signal_is_shown_for_the_first_minute(signal: str) -> None:
    inputs = ALL._replace(started_ms=LATER, signal=signal, radio_ms=LATER + 59_999)  # type: ignore[arg-type]
    assert patterns_of(State.NORMAL, inputs, LATER + 59_999)["wMT"] == f"signal_{signal}"
    assert patterns_of(State.NORMAL, inputs, LATER + 60_000)["wMT"] == "on"
    told = leds_of(State.NORMAL, inputs, LATER)[3]
    assert told == ("wMT", f"signal_{signal}", PHASES[f"signal_{signal}"])  # type: ignore[index]


def test_nothing_but_the_state_shows_where_no_lamp_has_its_own_meaning() -> None:
    inputs = ALL._replace(woken_ms=LATER, radio_ms=LATER, signal="good")
    for state in (State.BOOT, State.SECURE_BOOT, State.RESTART_LOOP):
        assert set(shown(state, inputs)) == {STATES[state].others}


def rhythm(pattern: Pattern, milliseconds: int) -> list[tuple[bool, int]]:
    """Give (lit, duration in ms) of each phase, sampled every millisecond."""
    phases: list[tuple[bool, int]] = []
    for now_ms in range(milliseconds):
        lit = is_lit(pattern, now_ms)
        if phases and phases[-1][0] is lit:
            phases[-1] = (lit, phases[-1][1] + 1)
        else:
            phases.append((lit, 1))
    return phases


@pytest.mark.parametrize("width", [500, 250, 125, 50])
def test_a_blinking_lamp_has_pulses_of_exactly_its_width(width: int) -> None:
    pattern: Pattern = f"blink_{width}"  # type: ignore[assignment]
    assert rhythm(pattern, 6 * width) == [(True, width), (False, width)] * 3


@pytest.mark.parametrize(("pattern", "lit"), [("on", True), ("off", False)])
def test_a_steady_lamp_is_steady(pattern: Pattern, lit: bool) -> None:
    assert rhythm(pattern, 1_000) == [(lit, 1_000)]


@pytest.mark.parametrize(
    ("pattern", "phases"),
    [
        ("signal_good", [(True, 500), (False, 250)] * 3 + [(True, 750)]),
        ("signal_medium", [(True, 500), (False, 250)] * 2 + [(True, 1_500)]),
        ("signal_bad", [(True, 500), (False, 250), (True, 2_250)]),
        ("signal_none", [(True, 1_500), (False, 1_500)]),
    ],
)
def test_the_signal_is_shown_in_cycles_of_three_seconds(pattern: Pattern, phases: list[tuple[bool, int]]) -> None:
    assert rhythm(pattern, 3_000) == phases
    assert [is_lit(pattern, now_ms) for now_ms in range(0, 3_000, 25)] == [
        is_lit(pattern, 3_000_000 + now_ms) for now_ms in range(0, 3_000, 25)
    ]


def test_every_pattern_changes_at_multiples_of_the_step() -> None:
    assert all(width % STEP_MS == 0 for phases in PHASES.values() for width in phases)


def test_a_steady_lamp_is_told_without_rhythm_and_a_blinking_one_with_its_exact_one() -> None:
    told = {led.name: led for led in leds_of(State.SECURE_APPLICATION, ALL._replace(administrator="connecting", wired_meter=False), LATER)}
    assert told["PWR"] == ("PWR", "blink_50", (50, 50))
    assert told["TLS"] == ("TLS", "blink_250", (250, 250))
    assert (told["LMC"], told["wMT"]) == (("LMC", "off", ()), ("wMT", "off", ()))


def test_pages_are_told_every_lamp_by_name() -> None:
    names: tuple[LampName, ...] = ("PWR", "TLS", "LMC", "wMT")
    assert tuple(led.name for led in leds_of(State.NORMAL, ALL, LATER)) == names == LAMPS
