"""The ``workshop`` command: one module per subcommand that does more than call another room.

May import everything in kit; nothing imports it.
"""
