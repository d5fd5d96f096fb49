"""The notebook as a service of the system: the hook that reports its errors, and the slot machine.

May import ``system``, ``widgets`` and below. Its module ``slot_machine`` is in-app code to Sentry.
"""
