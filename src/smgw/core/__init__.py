"""The words of the field: identifiers, OBIS, quantities, readings, profiles, log events, time, errors."""
