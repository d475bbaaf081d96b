"""Reading the databases of the older service, without changing a byte of them: one module per kind."""
