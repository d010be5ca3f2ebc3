"""Bytes to values and back, without state, clock or socket."""
