"""Every logged step of the operating processes has its event in the right logs, and what the program does is written by it."""

import ast
from pathlib import Path
from typing import NamedTuple

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
    missing = sorted({step.event for step in STEPS} - written)
    assert missing == []


TESTS = Path(__file__).resolve().parents[1]


class Proof(NamedTuple):
    """Name a test that carries `@pytest.mark.step("1.2.1", event="meter_found")`: it makes the step happen and sees its event written."""

    step: str
    event: str
    test: str
    names_it: bool
    """The event stands in the test, so it is looked for."""


def proofs() -> list[Proof]:
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found += proofs_of(node, f"{path.relative_to(TESTS.parent)}::{node.name}")
    return found


def proofs_of(test: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> list[Proof]:
    marks = [mark for mark in test.decorator_list if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.step"]
    others = [part for part in (*test.body, *test.decorator_list) if part not in marks]
    said = {c.value for part in others for c in ast.walk(part) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
    found = []
    for mark in marks:
        steps = [ast.literal_eval(step) for step in mark.args]
        ((keyword, event),) = [(word.arg, ast.literal_eval(word.value)) for word in mark.keywords]
        assert keyword == "event" and steps, name
        found += [Proof(step, event, name, event in said) for step in steps]
    return found


def test_every_step_that_exists_has_a_test_that_makes_it_happen() -> None:
    wanted = {(step.step, step.event) for step in STEPS}
    proved = {(proof.step, proof.event) for proof in proofs()}
    assert sorted(wanted - proved) == []


def test_no_test_claims_a_step_that_is_not_there_or_that_it_does_not_look_for() -> None:
    known = {(step.step, step.event) for step in STEPS}
    assert [proof for proof in proofs() if (proof.step, proof.event) not in known] == []
    assert [proof for proof in proofs() if not proof.names_it] == []
