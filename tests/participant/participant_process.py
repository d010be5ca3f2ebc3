"""Run a participant as a process: `python participant_process.py FOLDER [die]`; with `die` it is killed between commit and reply."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
from tests.participant.participant_parts import NOW

from smgw.net.clock import ManualClock
from smgw.participant.config import ParticipantFolder
from smgw.participant.service import run_participant
from smgw.participant.store import Arrival, ParticipantStore, Stored


def die_after_commit() -> None:
    """Let the process be killed as soon as the store has committed a delivery."""
    accept = ParticipantStore.accept

    def accept_and_die(store: ParticipantStore, arrival: Arrival) -> Stored:
        accept(store, arrival)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")

    ParticipantStore.accept = accept_and_die  # type: ignore[method-assign]


def ready(facts: dict[str, object]) -> None:
    """Tell the ports."""
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_participant(ParticipantFolder(Path(sys.argv[1])), ManualClock(NOW), ready, stop)


if __name__ == "__main__":
    if "die" in sys.argv[2:]:
        die_after_commit()
    asyncio.run(main())
