"""Values of options that have a form of their own: what can't be read is the fault of whoever gave it, never of the other side."""

from datetime import datetime

from smgw.core.errors import ConfigError, PeerFault
from smgw.core.identifiers import DeviceId
from smgw.core.instant import parse_time


def moment_of(text: str) -> datetime:
    """Read a time. Raises: ConfigError value.time."""
    try:
        return parse_time(text)
    except PeerFault as problem:
        raise ConfigError(problem.code, problem.detail) from problem


def device_id_of(text: str) -> DeviceId:
    """Read a device id. Raises: ConfigError value.device_id."""
    try:
        return DeviceId.parse(text)
    except PeerFault as problem:
        raise ConfigError(problem.code, problem.detail) from problem
