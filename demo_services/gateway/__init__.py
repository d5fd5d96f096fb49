"""The gateway (FastAPI and httpx): the one public address of the system."""

from demo_services.gateway.app import make_app

__all__ = ["make_app"]
