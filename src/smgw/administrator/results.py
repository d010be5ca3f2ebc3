"""Take the results that gateways tell of commands whose answer could not wait. Source: WAN-08, ADM-02; 20-wan-crypto-pki 1.2, 1.4.

A result is signed by the gateway and encrypted for us; it names the command whose result it is, and so does its HTTP header. It ends the
job of that gateway, once: a repetition, or a result of a command that is in no book of ours, is confirmed and counts for nothing.
"""

from datetime import datetime

import structlog
from cryptography import x509

from smgw.administrator.jobs import Jobs
from smgw.codec.result import RESULTS, decode_result
from smgw.core.errors import SecurityFault
from smgw.net.identity import Identity
from smgw.protocol.tunnel_http import Request
from smgw.security.content import open_content

log = structlog.get_logger(__name__)


def is_for_results(target: str) -> bool:
    """Tell whether a request goes to the address of results, or below it, where a command may have sent one."""
    return target == RESULTS or target.startswith(f"{RESULTS}/")


def take_result(identity: Identity, jobs: Jobs, signer: x509.Certificate, device_id: str, request: Request, now: datetime) -> str:
    """Verify one result and end its job; gives the id that the receipt names.

    Raises: SecurityFault, DecodeFault of the content protection; SecurityFault delivery.sender, delivery.message_id; LimitFault.
    """
    opened = open_content(request.body, module=identity.module, recipient=identity.recipient, signer=lambda _claim: signer)
    result = decode_result(opened.content)
    if result.device != device_id:
        raise SecurityFault("delivery.sender", result.device[:20])
    if f"uuid:{result.message_id}" != dict(request.headers).get("x-cid", ""):
        raise SecurityFault("delivery.message_id", result.message_id[:40])
    is_new = jobs.conclude(result, device_id, now)
    log.info("job_result", gateway=device_id, command=result.message_id, status=result.status, code=result.code, new=is_new)
    return result.message_id
