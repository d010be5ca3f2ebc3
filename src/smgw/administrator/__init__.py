"""The gateway administrator (GWA): provisions gateways and keeps their time."""
