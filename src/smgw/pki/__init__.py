"""The SM-PKI: names, certificate profiles, authorities, path validation, revocation lists."""
