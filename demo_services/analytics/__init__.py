"""The analytics service (FastAPI and pymongo): stores spins and computes statistics."""

from demo_services.analytics.app import make_app

__all__ = ["make_app"]
