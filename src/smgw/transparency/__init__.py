"""The transparency tool: recomputes a bill from signed readings and a tariff file."""
