"""Encrypted, append-only stores."""
