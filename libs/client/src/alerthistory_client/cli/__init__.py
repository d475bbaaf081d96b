"""The command line ``ahctl``: one module per noun, each command over one method of the client."""
