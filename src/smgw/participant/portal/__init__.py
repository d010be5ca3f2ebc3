"""The participant's portal: what arrived, how complete it is, and what was refused."""
