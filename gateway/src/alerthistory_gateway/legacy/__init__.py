"""The ways of the legacy HTTP interface: how it routes, writes, refuses and counts."""
