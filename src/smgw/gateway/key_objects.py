"""What keys, certificates and PINs lie in the gateway itself, beside its security module.

Source: LIFE-10; TR-03109-1 Annex VI, 2.3.1 and 2.3.3.
"""

from pathlib import Path

from smgw.core.errors import ConfigError
from smgw.core.key_inventory import ADMINISTRATOR_ADDRESS, ADMINISTRATOR_CHAIN, GATEWAY_PIN, STORAGE_KEY, WAN_KINDS
from smgw.gateway.config import GatewayConfig, GatewayFolder
from smgw.net.identity import PIN_FILE, TRIPLE_FILE
from smgw.pki.parsing import load_certificate
from smgw.pki.trust import TrustStore


def held_in_gateway(folder: GatewayFolder) -> frozenset[str]:
    """Name what a gateway's folder holds, as `smgw.core.key_inventory.compare` takes it.

    The storage key itself lies in no file: the module derives it, and it counts as held where a store is under it.
    """
    found = {name for name, path in _files(folder).items() if path.is_file()}
    config = _config(folder)
    if config is not None:
        found |= _of_administrator(folder, config)
    return frozenset(found)


def _files(folder: GatewayFolder) -> dict[str, Path]:
    triple = dict.fromkeys((f"GW_WAN_{kind}_CRT" for kind in WAN_KINDS), folder.path / TRIPLE_FILE)
    provisional = dict.fromkeys((f"GW_WAN_{kind}_CRT_PRE" for kind in WAN_KINDS), folder.seal)
    return {GATEWAY_PIN: folder.path / PIN_FILE, STORAGE_KEY: folder.journal, **triple, **provisional}


def _config(folder: GatewayFolder) -> GatewayConfig | None:
    try:
        return folder.load()
    except ConfigError as problem:
        if problem.code == "gateway.not_initialised":
            return None
        raise


def _of_administrator(folder: GatewayFolder, config: GatewayConfig) -> set[str]:
    administrator = config.administrator
    by_kind = {
        "TLS": administrator.tls_certificate,
        "SIG": administrator.sig_certificate,
        "ENC": administrator.enc_certificate,
        "AUT": administrator.aut_certificate,
    }
    found = {f"GWADM_{kind}_CRT" for kind, certificate in by_kind.items() if certificate}
    issuer = load_certificate(bytes.fromhex(administrator.tls_certificate)).issuer
    if any(one.subject == issuer for one in TrustStore.load(folder.trust).intermediates):
        found.add(ADMINISTRATOR_CHAIN)
    return found | ({ADMINISTRATOR_ADDRESS} if administrator.host else set())
