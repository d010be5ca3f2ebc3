"""Choose the program that a gateway starts: the one installed on the computer, or the one in the active slot.

It runs in the installed program, before anything else, and verifies a slot's program before a line of it is executed. A new version is
first tried in a process of its own; then it starts on trial, and each trial is counted before it begins. A version that never comes up, or
ends before it is judged good, is given up after `TRIALS` starts, whatever ended them: a crash, a power cut, the watchdog.
Source: ADM-05; 20-wan-crypto-pki 1.9.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from smgw.core.errors import DomainFault, SmgwError
from smgw.gateway.config import GatewayFolder
from smgw.gateway.firmware_model import Slots, SlotState
from smgw.gateway.firmware_record import (
    Update,
    UpdateState,
    give_up,
    load_slots,
    load_update,
    save_slots,
    save_update,
    settled,
    with_slot,
)
from smgw.gateway.slot_program import payload, verify_slot

TRIALS = 3
"""A new version is started so often before it is given up."""
PROBE_S = 60.0
"""Real seconds in which a new version must have imported its parts and told its version."""
STARTUP_S = 300
"""Real seconds after which the watchdog ends a new version that has not come up."""

PROBE = "import smgw.cli.gateway, smgw.gateway.service; from importlib.metadata import version; print(version('smgw'))"

log = structlog.get_logger(__name__)


class Program(NamedTuple):
    """Name the program to start."""

    slot: str
    path: Path
    """Goes to the front of the import path."""
    on_trial: bool


def choose(folder: GatewayFolder, clock: Callable[[], datetime]) -> Program | None:
    """Go on with an update where it stands, and give the program to start; None is the installed one.

    Raises: IntegrityFault boot.files, Unavailable gateway.files.
    """
    slots = load_slots(folder)
    if slots is None or not folder.slot("a").parent.exists():
        return None
    now = clock()
    update = settled(folder, load_update(folder), slots, now)
    if update.state is UpdateState.ACTIVATION_PENDING:
        update = _activate(folder, update, slots, now)
    elif update.state is UpdateState.SELF_TEST:
        update = _try_again(folder, update, slots, now)
    return _active(folder, update, now)


def _activate(folder: GatewayFolder, update: Update, slots: Slots, now: datetime) -> Update:
    """Turn to the new version, or give it up when it can't even be loaded."""
    assert update.slot is not None
    try:
        verify_slot(folder, update.slot)
        probe(payload(folder.slot(update.slot)), update.version)
    except SmgwError as fault:
        log.error("firmware_given_up", code=fault.code, detail=fault.detail)
        return give_up(folder, update, slots, now, fault.code, fault.detail)
    save_slots(folder, with_slot(slots, update.slot, SlotState.PENDING, now, version=update.version, active=update.slot))
    update = update.moved(UpdateState.SELF_TEST, now, attempts=1)
    save_update(folder, update)
    return update


def _try_again(folder: GatewayFolder, update: Update, slots: Slots, now: datetime) -> Update:
    if update.attempts >= TRIALS:
        return give_up(folder, update, slots, now, "firmware.attempts", f"{update.attempts} starts")
    update = msgspec.structs.replace(update, attempts=update.attempts + 1)
    save_update(folder, update)
    return update


def _active(folder: GatewayFolder, update: Update, now: datetime) -> Program | None:
    """Give the active slot's program once it is verified; a damaged one is left, so that the installed one reports it."""
    slots = load_slots(folder)
    assert slots is not None
    path = folder.slot(slots.active)
    if not path.exists():
        return None
    try:
        verify_slot(folder, slots.active)
    except SmgwError as fault:
        log.error("slot_refused", slot=slots.active, code=fault.code, detail=fault.detail)
        if update.state is not UpdateState.SELF_TEST:
            return None
        return _active(folder, give_up(folder, update, slots, now, fault.code, fault.detail), now)
    return Program(slots.active, payload(path), update.state is UpdateState.SELF_TEST)


def is_on_trial(folder: GatewayFolder) -> bool:
    """Tell whether a new version runs that is not judged yet."""
    try:
        return load_update(folder).state is UpdateState.SELF_TEST
    except SmgwError:
        return False


def probe(path: Path, version: str) -> None:
    """Load a program in a process of its own. Raises: DomainFault firmware.probe when it does not load or tells another version."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE],
            env=environment(path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise DomainFault("firmware.probe", type(problem).__name__) from problem
    if done.returncode != 0:
        raise DomainFault("firmware.probe", (done.stderr.strip().splitlines() or [str(done.returncode)])[-1][:150])
    if done.stdout.strip() != version:
        raise DomainFault("firmware.probe", f"it says that it is {done.stdout.strip()[:40]}")


_ADDED = "SMGW_SLOT"
"""Environment variable with what was put in front of the import path."""


def environment(path: Path | None) -> dict[str, str]:
    """Give the environment of a process that runs the program of a slot, or with None the installed one."""
    values = dict(os.environ)
    before = [entry for entry in values.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != values.get(_ADDED)]
    values.pop(_ADDED, None)
    if path is not None:
        values[_ADDED] = str(path.absolute())
        before.insert(0, values[_ADDED])
    if before:
        values["PYTHONPATH"] = os.pathsep.join(before)
    else:
        values.pop("PYTHONPATH", None)
    return values
