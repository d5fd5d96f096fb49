"""Runs it: servers in threads of this process, programs in supervised child processes.

May import the ground (``actionable``, ``private``) and ``demo_services``; knows nothing of Sentry.
"""
