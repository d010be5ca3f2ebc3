"""The open, software-only Smart Meter Gateway system after BSI TR-03109."""
