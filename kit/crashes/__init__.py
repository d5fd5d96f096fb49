"""The crash types, one module per service."""
