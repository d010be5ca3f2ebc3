"""Run a gateway through the phases of its life: the local interface, then personalisation, then operation, until its end.

Source: LIFE-01, LIFE-07, LIFE-08, LIFE-11.
"""

from datetime import datetime

from smgw.gateway.boot import sign_program
from smgw.gateway.config import GatewayFolder


def sign_installed_program(folder: GatewayFolder, now: datetime) -> None:
    """Sign the installed program with the gateway's own key, unless its manufacturer signed it."""
    if not folder.manifest.exists():
        sign_program(folder, now)
