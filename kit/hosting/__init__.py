"""Runs it: servers in threads of this process, programs in supervised child processes.

May import the ground (``actionable``, ``home``, ``private``, ``threads``) and ``demo_services``;
knows nothing of Sentry.
"""
