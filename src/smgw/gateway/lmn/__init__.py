"""The local metrological network: meters to records."""
