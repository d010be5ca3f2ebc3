"""Seal a wireless meter's key for the one gateway that may use it; the result goes into the meter's profile.

Source: ADM-02, ADM-11, LMN-04.
"""

from cryptography import x509

from smgw.codec.oms import KEY_OCTETS
from smgw.core.errors import ConfigError
from smgw.security.content import ContentKeys, encrypt_envelope


def seal_meter_key(server_id: bytes, key: bytes, gateway_enc: x509.Certificate, module: ContentKeys) -> str:
    """Give a profile's `sealed_key`, hex; it opens for this gateway and counts for this meter only. Raises: ConfigError oms.key."""
    if len(key) != KEY_OCTETS:
        raise ConfigError("oms.key", f"{KEY_OCTETS} octets are needed")
    return encrypt_envelope(server_id + key, module=module, recipient=gateway_enc).hex()
