"""Containers: named bundles of objects that are written, read and deleted together.

What was written as one container is remembered by the names of its objects; the objects stand on their devices. Source: WAN-08;
20-wan-crypto-pki 1.4.
"""

from typing import Final

import msgspec

from smgw.codec.cosem_resources import Kind, Resource
from smgw.core.errors import LimitFault
from smgw.gateway.wan.context import Context

BUNDLES_LIMIT: Final = 32
MEMBERS_LIMIT: Final = 100
"""Most objects that are written together."""
_STATE = "cosem_containers"


class Bundle(msgspec.Struct, frozen=True, array_like=True):
    """Remember one container; `device` is empty for one over several devices."""

    device: str
    name: str
    members: tuple[tuple[str, str], ...]
    """Device and name of each object."""

    @property
    def path(self) -> tuple[str, str]:
        """Name it among all."""
        return self.device, self.name


def path_of(resource: Resource) -> tuple[str, str]:
    """Name the container of a resource."""
    return (resource.device, str(resource.instance)) if resource.kind is Kind.DEVICE_CONTAINER else ("", resource.container)


def bundles(context: Context) -> list[Bundle]:
    """Give all containers."""
    return msgspec.json.decode(context.journal.get_state(_STATE) or b"[]", type=list[Bundle])


def remember(context: Context, bundle: Bundle) -> bool:
    """Keep a container instead of a former one of its name; tells whether there was none. Raises: LimitFault cosem.too_much."""
    others = [one for one in bundles(context) if one.path != bundle.path]
    is_new = len(others) == len(bundles(context))
    if len(others) >= BUNDLES_LIMIT:
        raise LimitFault("cosem.too_much", f"more than {BUNDLES_LIMIT} containers")
    context.journal.set_state(_STATE, msgspec.json.encode([*others, bundle]))
    return is_new


def forget(context: Context, path: tuple[str, str]) -> None:
    """Keep a container no more."""
    context.journal.set_state(_STATE, msgspec.json.encode([one for one in bundles(context) if one.path != path]))
