"""Search for better numeric parameters when every trial is paid for by live traffic."""
