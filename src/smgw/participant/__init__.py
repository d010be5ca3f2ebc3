"""The external market participant (EMT): receives, verifies, stores and shows delivered readings."""
