"""The workshop kit: hosts the services, captures what Sentry is sent, shows and explains it."""

from kit.workshop import Workshop, WorkshopError

__all__ = ["Workshop", "WorkshopError"]
