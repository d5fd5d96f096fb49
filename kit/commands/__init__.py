"""The ``workshop`` command: a module for each subcommand that does more than call other packages.

May import everything in kit; nothing imports it.
"""
