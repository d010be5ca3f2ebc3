"""Links, TLS dialers and listeners, clocks and HTTP set-up: the only package that opens sockets and ports."""
