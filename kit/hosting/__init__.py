"""Runs the system: servers in threads of this process, programs in supervised child processes.

May import the base modules (``actionable``, ``home``, ``private``, ``threads``) and
``demo_services``; does not use Sentry.
"""
