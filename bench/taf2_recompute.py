"""TAF 2: recompute two registers over 24 months of quarter hours, beside a plain loop over the values.

Promise: under 60 ms on one core for both registers together, from the columns in which series are stored. The plain loop asks for the
local time of each value and adds one difference after the other; both must give the same registers. Also measured: the cost of one more
reading in the incremental evaluation, and of turning stored readings into columns.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from bench.result import BenchResult
from smgw.core.instant import BERLIN, local_midnight
from smgw.core.obis import ACTIVE_ENERGY_EXPORT, ACTIVE_ENERGY_IMPORT, Obis
from smgw.core.reading import Reading, SignedReading
from smgw.core.status_word import GATEWAY_OK, METER_IDENTIFICATION, GatewayStatus
from smgw.tariff.calendar import QUARTER_HOUR_US, SwitchCalendar, from_switch_times, moment_of
from smgw.tariff.taf02 import Series, State, Taf02Rules, columns_of, evaluate, step

ROUNDS = 7
PROMISED_MS = 60
STEPS = 5_000
METER = "1ABC0000000001"
INVALID = GATEWAY_OK | GatewayStatus.TIME_NOT_VALID


def _rules() -> Taf02Rules:
    calendar = SwitchCalendar(
        {"work": from_switch_times({"06:00": 2, "21:00": 1}), "rest": (1,) * 96},
        yearly_days={"12-25": "rest", "12-26": "rest", "01-01": "rest"},
        week=("work",) * 5 + ("rest",) * 2,
    )
    bounds = (local_midnight(datetime(year, 1, 1, tzinfo=UTC).date()) for year in (2025, 2027))
    return Taf02Rules(calendar, (1, 2), *bounds)


def _readings(rules: Taf02Rules, obis: Obis, seed: int) -> list[SignedReading]:
    """Make 24 months of quarter hours; one value in a thousand is missing, one is not valid."""
    random = np.random.default_rng(seed)
    quarters = np.arange(rules.first_quarter, rules.last_quarter + 1)
    raws = np.cumsum(random.integers(0, 400, len(quarters))).tolist()
    fates = random.integers(0, 1000, len(quarters)).tolist()
    made = []
    for number, (quarter, raw, fate) in enumerate(zip(quarters.tolist(), raws, fates, strict=True)):
        if fate:
            moment = moment_of(quarter)
            status = INVALID if fate == 1 else GATEWAY_OK
            reading = Reading(METER, obis, raw, -1, 30, moment, moment, int(status), METER_IDENTIFICATION)
            made.append(SignedReading(reading, b"", number))
    return made


def _plain(rules: Taf02Rules, series: Series) -> dict[int, int]:
    """Do the same as one would write it down first."""
    calendar = rules.calendar
    sums: dict[int, int] = {}
    before: tuple[int, int] | None = None
    for target, raw, valid in zip(series.targets_us.tolist(), series.raws.tolist(), series.valid.tolist(), strict=True):
        quarter = target // QUARTER_HOUR_US
        if not valid:
            continue
        if before is not None:
            stages = set()
            for passed in range(before[0], quarter):
                local = moment_of(passed).astimezone(BERLIN)
                name = calendar.profile_name(local.date())
                assert name is not None
                stages.add(calendar.day_profiles[name][local.hour * 4 + local.minute // 15])
            stage = stages.pop() if len(stages) == 1 else 63
            sums[stage] = sums.get(stage, 0) + raw - before[1]
        before = quarter, raw
    return sums


def _seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run() -> BenchResult:
    """Measure and give the result."""
    rules = _rules()
    registers = ((ACTIVE_ENERGY_IMPORT, 1), (ACTIVE_ENERGY_EXPORT, 2))
    stored = [_readings(rules, obis, seed) for obis, seed in registers]
    series = [columns_of(readings, METER, obis) for readings, (obis, _) in zip(stored, registers, strict=True)]
    for columns in series:
        if evaluate(rules, columns).sums() != _plain(rules, columns):
            raise AssertionError("the recomputation and the plain loop differ")
    ours = _seconds(lambda: [evaluate(rules, columns) for columns in series])
    plain = _seconds(lambda: [_plain(rules, columns) for columns in series], 3)
    turning = _seconds(lambda: columns_of(stored[0], METER, ACTIVE_ENERGY_IMPORT), 3)
    rows = list(zip(series[0].targets_us[:STEPS].tolist(), series[0].raws[:STEPS].tolist(), series[0].valid[:STEPS].tolist(), strict=True))
    moments = [(moment_of(target // QUARTER_HOUR_US), raw, valid) for target, raw, valid in rows]

    def incremental() -> State:
        state = State()
        for number, (moment, raw, valid) in enumerate(moments):
            state = step(rules, state, moment, raw, valid=valid, sequence=number)
        return state

    one = _seconds(incremental, 3) / STEPS
    values = sum(len(columns.raws) for columns in series)
    return BenchResult(
        name="taf2_recompute",
        rates={
            "recompute 24 months, two registers (ms)": ours * 1e3,
            "plain loop, the same (ms)": plain * 1e3,
            "values recomputed (1/s)": values / ours,
            "one more reading, incremental (µs)": one * 1e6,
            "stored readings to columns, one register (ms)": turning * 1e3,
        },
        ratios={"plain loop / recomputation": plain / ours, "promised time / measured": PROMISED_MS / (ours * 1e3)},
        notes=[f"{values} values; both ways gave the same registers", f"promise: under {PROMISED_MS} ms on one core"],
    )
