"""Numbers that a caller may choose; every service reads them in the same way."""

from demo_services.bounds import Bounds

__all__ = ["Bounds"]
