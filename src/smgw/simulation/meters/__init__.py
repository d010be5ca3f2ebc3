"""Simulated meters."""
