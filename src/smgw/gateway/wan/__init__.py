"""The wide area network: every connection is opened by the gateway."""
