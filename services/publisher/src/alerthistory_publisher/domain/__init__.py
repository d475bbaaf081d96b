"""Pure rules of publishing: no I/O."""
