"""Checks that can be aimed at any gateway."""
