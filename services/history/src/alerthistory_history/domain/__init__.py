"""The rules of history: pure functions and values, no I/O."""
