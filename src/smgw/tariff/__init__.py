"""The tariff use cases as pure functions: (evaluation profile, readings) -> registers."""
