"""Sign wake-up packets with a key of the administrator. Source: WAN-04; 20-wan-crypto-pki 1.7."""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import Hash

from smgw.codec.wakeup import ALGORITHM_OF_KEY_BITS, Order, encode_packet, plain_signature, signed_part
from smgw.core.errors import UsageError
from smgw.core.identifiers import DeviceId
from smgw.security.content import ContentKeys, Credential


def make_packet(recipient: DeviceId, at: datetime, *, module: ContentKeys, signer: Credential, order: Order = "little") -> bytes:
    """Make a packet of that time, whole seconds, signed with the hash that goes with the key. Raises: UsageError wakeup.structure."""
    key = signer.certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in ALGORITHM_OF_KEY_BITS:
        raise UsageError("wakeup.structure", "not a key that signs wake-up packets")
    algorithm = ALGORITHM_OF_KEY_BITS[key.key_size]
    signed = signed_part(recipient, int(at.timestamp()), order)
    digest = Hash(algorithm.hash)
    digest.update(signed)
    signature = module.sign_digest(signer.key_name, digest.finalize())
    return encode_packet(signed, algorithm, plain_signature(signature, key.key_size // 8))
