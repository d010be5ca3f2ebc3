"""Sans-IO state machines: bytes and events in, bytes and events out."""
