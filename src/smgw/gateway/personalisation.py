"""Personalisation at the gateway's end: call the administrator with provisional keys and offer nothing but the key desk.

The channel's end, and only that, makes the gateway operational once its certificates are installed.
Source: LIFE-08; TR-03109-1 Annex VI, 2.3.3.
"""

import asyncio
from contextlib import suppress
from typing import Any

from smgw.core.errors import Unavailable
from smgw.core.life_cycle import Action, Mark
from smgw.core.state import State
from smgw.gateway.commissioning import JOURNAL_PURPOSE
from smgw.gateway.config import AdministratorConfig
from smgw.gateway.evaluation import Evaluation
from smgw.gateway.key_desk import Desk, KeyDesk
from smgw.gateway.lifecycle import LifeKeeper
from smgw.gateway.logs import Recorder
from smgw.gateway.own_identity import provisional_identity
from smgw.gateway.pending import PendingWork
from smgw.gateway.wan.channel import ManagementChannel
from smgw.gateway.wan.context import Context
from smgw.net.clock import ClockPort
from smgw.net.identity import Identity
from smgw.pki.parsing import load_certificate
from smgw.storage.journal import Journal


async def personalise(keeper: LifeKeeper, clock: ClockPort, stop: asyncio.Event) -> None:
    """Call the administrator until the gateway is operational or the event is set."""
    folder = keeper.folder
    administrator, identity = folder.load().administrator, provisional_identity(folder)
    with Journal.open(folder.journal, identity.module.storage_key(JOURNAL_PURPOSE)) as journal:
        keeper.attach(journal)
        try:
            desk = await _call(keeper, journal, administrator, identity, clock, stop)
        finally:
            keeper.attach(None)
        if desk is not None:
            desk.retire()


async def _call(
    keeper: LifeKeeper, journal: Journal, administrator: AdministratorConfig, identity: Identity, clock: ClockPort, stop: asyncio.Event
) -> KeyDesk | None:
    """Hold the channel; gives the desk once all is done, or None when it was stopped before."""
    over = asyncio.Event()
    channel: ManagementChannel
    desk = KeyDesk(Desk(keeper, identity, clock, administrator.name, lambda: (), lambda: channel.break_up()), over.set)
    recorder = Recorder(journal, clock)
    context = _context(keeper, journal, administrator, identity, clock, recorder, desk)
    channel = ManagementChannel(context, administrator, identity, clock, recorder, lambda: False)
    if Mark.OPERATIONAL_CERTIFICATES not in keeper.life.marks:
        calling = asyncio.create_task(channel.run())
        ends = [asyncio.create_task(event.wait()) for event in (stop, over)]
        try:
            await asyncio.wait((calling, *ends), return_when=asyncio.FIRST_COMPLETED)
            if over.is_set():
                await channel.closed.wait()
        finally:
            for task in (calling, *ends):
                task.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await calling
    if Mark.OPERATIONAL_CERTIFICATES not in keeper.life.marks:
        return None
    keeper.done(Action.BEGIN_OPERATION)
    return desk


def _context(
    keeper: LifeKeeper,
    journal: Journal,
    administrator: AdministratorConfig,
    identity: Identity,
    clock: ClockPort,
    recorder: Recorder,
    desk: KeyDesk,
) -> Context:
    device_id = keeper.record.device_id

    def facts() -> dict[str, Any]:
        return {"state": str(State.NORMAL), "phase": keeper.phase}

    return Context(
        gateway_id=device_id,
        module=identity.module,
        signer=identity.signer,
        recipient=identity.recipient,
        administrator_name=administrator.name,
        administrator_sig=load_certificate(bytes.fromhex(administrator.sig_certificate)),
        administrator_enc=load_certificate(bytes.fromhex(administrator.enc_certificate)),
        journal=journal,
        recorder=recorder,
        clock=clock,
        state=lambda: State.NORMAL,
        facts=facts,
        profile_installed=lambda _profile: None,
        evaluation=Evaluation(journal, recorder, device_id, identity.module.random),
        queued=lambda: None,
        pending=PendingWork(journal, clock, device_id, administrator),
        keys=desk,
        allows=keeper.require,
    )
