"""Chaos experiments: documents of the Chaos Toolkit, their probes and actions, and their results.

The engine, chaostoolkit-lib, is imported when the first experiment runs. It loads the probes,
actions and controls of this room by name, in whatever process it runs: the kernel, a child process,
or the ``chaos`` command. May import faults, traffic and what is below the reliability room.
"""
