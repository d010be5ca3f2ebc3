"""Security module, crypto policy, content protection and TLS contexts."""
