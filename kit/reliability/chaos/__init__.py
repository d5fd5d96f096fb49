"""Chaos experiments: Chaos Toolkit documents, their probes and actions, and their results.

The engine, chaostoolkit-lib, is imported when the first experiment runs. It loads the probes,
actions and controls of this room by name, in any process: the kernel, a child process, or the
``chaos`` command. May import faults, traffic and what is below the reliability room.
"""
