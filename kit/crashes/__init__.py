"""The crash types, a module per service."""
