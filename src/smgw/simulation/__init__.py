"""Meters, households, faults and a whole system in one call."""
