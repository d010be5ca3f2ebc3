"""The home area network: the consumer's pages and machine interface."""
