"""The Smart Meter Gateway (SMGW): acquisition, evaluation, delivery and its three networks."""
