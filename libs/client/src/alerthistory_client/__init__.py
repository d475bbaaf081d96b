"""The typed client of Alert History for internal tooling, and the command line ``ahctl`` built on it."""
