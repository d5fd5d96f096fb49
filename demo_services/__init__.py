"""The system that gets crashed: a small online slot machine.

Each service also runs alone, as it would in production::

    SENTRY_DSN=... python -m demo_services.game_engine --port 8082

Nothing here imports ``kit``.
"""
