"""Every logged step of the operating processes has its event in the right logs, and what the program does is written by it."""

import ast
from pathlib import Path

import pytest

from smgw.core.log_event import EVENTS
from smgw.core.process_steps import PROCESSES, ProcessStep

pytestmark = pytest.mark.req("LOG-01")

SOURCE = Path(__file__).resolve().parents[2] / "src" / "smgw"
CATALOGUES = ("core/log_event.py", "core/process_steps.py", "core/life_cycle.py")
STEPS = [step for process in PROCESSES for step in process.steps]


def named(step: ProcessStep) -> str:
    return f"{step.step} {step.event}"


def test_all_tables_of_the_annex_are_there_in_order() -> None:
    assert [process.table for process in PROCESSES] == [0, 1, 2, 3, 4, 5]
    for process in PROCESSES[1:]:
        assert {step.step.split(".")[0] for step in process.steps} == {str(process.table)}
        numbers = [tuple(map(int, step.step.split("."))) for step in process.steps]
        assert numbers == sorted(numbers)


DEMANDED = (
    "1.2.2 1.2.3 1.3.2 1.3.3 1.3.4 1.4.1 1.5.1 1.5.3 2.2.1 2.2.2.6 2.3.1.4 2.3.1.5 2.3.2.4 2.4.1 3.2.2 3.3.4 3.3.5 3.3.7 3.5.3 3.5.6"
    " 3.5.7 3.5.8 4.2.5 4.2.6 4.2.7 5.2.6 5.2.7 5.2.8 5.2.9 5.2.11 5.2.13 5.2.14"
)


@pytest.mark.parametrize("demand", DEMANDED.split())
def test_every_step_of_the_gateway_is_covered(demand: str) -> None:
    assert any(step.step == demand for step in STEPS)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_every_step_has_its_event_in_the_right_logs(step: ProcessStep) -> None:
    assert step.event in EVENTS, f"step {step.step} has no event"
    assert step.logs
    assert set(step.logs) <= set(EVENTS[step.event].logs)


def literals() -> set[str]:
    """Collect all strings of the program outside the two catalogues."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if not str(path).endswith(CATALOGUES):
            found |= {n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return found


def test_what_the_program_does_is_written() -> None:
    written = literals()
    missing = sorted({step.event for step in STEPS if step.exists} - written)
    assert missing == []


def test_what_is_written_is_no_longer_marked_as_missing() -> None:
    """Whoever builds a process takes the mark from its steps; an event that another step writes already says nothing."""
    present = {step.event for step in STEPS if step.exists}
    stale = sorted({step.event for step in STEPS if not step.exists} - present & literals())
    assert [event for event in stale if event in literals()] == []
