"""The channels by which people and machines are told of incidents: added, removed and tried while the administrator runs.

They stand in the configuration; what is changed here is written there, so both are always the same. Source: ADM-06, ADM-13.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import msgspec

from smgw.administrator.audit import Audit
from smgw.administrator.config import AdministratorFolder
from smgw.administrator.notifications import Channel, Told, require_usable, send
from smgw.core.errors import ConfigError, DomainFault
from smgw.core.instant import utc_text

MOST = 20
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
_FILE = re.compile(r"channel[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9]{1,10})?", re.ASCII)
_FILES = ("secret_file", "password_file", "ca_file")


def require_takeable(channel: Channel) -> None:
    """Refuse what nobody may set over the interface: a name that is no word, and any file of the folder that isn't meant for channels.

    A password is shown to the server that it is for, so no other secret of the folder may be named as one.
    Raises: ConfigError administrator.config.
    """
    if _NAME.fullmatch(channel.name) is None:
        raise ConfigError("administrator.config", "notifications: name: up to 40 letters, digits, `.`, `_`, `-`")
    for field in _FILES:
        name = getattr(channel, field, "")
        if name and _FILE.fullmatch(name) is None:
            raise ConfigError("administrator.config", f"notifications: {field}: a file of the folder whose name begins with `channel`")


class Channels:
    """Keep the channels of one administrator."""

    def __init__(self, folder: AdministratorFolder, audit: Audit, channels: tuple[Channel, ...]) -> None:
        self._folder = folder
        self._audit = audit
        self._held = channels
        self._changed = asyncio.Event()

    def all(self) -> tuple[Channel, ...]:
        """List the channels."""
        return self._held

    def names(self) -> list[str]:
        """List the channels' names."""
        return [channel.name for channel in self._held]

    def one(self, name: str) -> Channel:
        """Give one channel. Raises: DomainFault administrator.unknown_channel."""
        for channel in self._held:
            if channel.name == name:
                return channel
        raise DomainFault("administrator.unknown_channel", name[:40])

    def add(self, channel: Channel, at: datetime, actor: str) -> Channel:
        """Tell by one more channel from now on. Raises: ConfigError administrator.config."""
        require_takeable(channel)
        if len(self._held) >= MOST:
            raise ConfigError("administrator.config", f"notifications: at most {MOST}")
        self._keep((*self._held, channel), f"add notification channel {channel.name}", at, actor)
        return channel

    def remove(self, name: str, at: datetime, actor: str) -> None:
        """Tell by a channel no more; what waited for it is told no more, either. Raises: DomainFault administrator.unknown_channel."""
        gone = self.one(name)
        self._keep(tuple(one for one in self._held if one is not gone), f"remove notification channel {name}", at, actor)

    def _keep(self, channels: tuple[Channel, ...], action: str, at: datetime, actor: str) -> None:
        require_usable(channels)
        self._folder.save(msgspec.structs.replace(self._folder.load(), notifications=channels))
        self._held = channels
        self._audit.note(at, actor, action, self._folder.load().name, "done")
        self._changed.set()

    async def attempt(self, name: str, at: datetime, actor: str) -> None:
        """Send one message by a channel now. Raises: Unavailable administrator.notification; ConfigError secret.*, administrator.config."""
        channel, administrator = self.one(name), self._folder.load().name
        self._audit.note(at, actor, f"try notification channel {name}", administrator, "sent")
        stamp = utc_text(at.replace(microsecond=0))
        text = f"Test of the channel {name} / Probe des Kanals {name}"
        await send(channel, Told(f"test-{stamp}", "test", administrator, "", "test", "warning", "", text, stamp, ""), self._folder.path)

    async def run(self, tell: Callable[[Channel], Coroutine[Any, Any, None]]) -> None:
        """Keep `tell` running for each channel, until cancelled."""
        running: dict[str, tuple[Channel, asyncio.Task[None]]] = {}
        try:
            while True:
                self._changed.clear()
                wanted = {channel.name: channel for channel in self._held}
                for name, (channel, task) in list(running.items()):
                    if wanted.get(name) != channel:
                        del running[name]
                        task.cancel()
                        # To await the task itself would mix its end with ours.
                        await asyncio.wait({task})
                for name in wanted.keys() - running.keys():
                    running[name] = (wanted[name], asyncio.create_task(tell(wanted[name])))
                await self._changed.wait()
        finally:
            for _, task in running.values():
                task.cancel()
