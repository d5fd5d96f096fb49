"""The services of the system: names, default ports and Sentry projects, declared once."""

from dataclasses import dataclass

RELEASE = "1.0.0"


@dataclass(frozen=True)
class Service:
    """One service of the system.

    ``project_id`` is numeric because a Sentry DSN ends in a number. ``prefix`` is what comes
    after ``/api/v1/`` at the gateway; None for what the gateway does not route to. Crash routes
    are below ``debug_base``, on the service itself.
    """

    name: str
    port: int
    project_id: int
    framework: str
    prefix: str | None = None
    debug_base: str = "/debug"

    @property
    def release(self) -> str:
        """The release that this service reports, ``name@version``."""
        return f"{self.name}@{RELEASE}"

    @property
    def default_url(self) -> str:
        """Where it listens unless its port is taken."""
        return f"http://127.0.0.1:{self.port}"

    def is_debug(self, path: str) -> bool:
        """Whether a path is ``debug_base`` or below it, where only the guard's callers may go."""
        return f"{path}/".startswith(f"{self.debug_base}/")

    @property
    def module(self) -> str:
        """The package of a service written in Python, as ``python -m`` takes it."""
        return f"demo_services.{self.name.replace('-', '_')}"


GATEWAY = Service("gateway", 8080, 1, "FastAPI")
GAME_ENGINE = Service("game-engine", 8082, 2, "Tornado", prefix="game")
PAYMENT = Service("payment", 8083, 3, "Express", prefix="payment")
ANALYTICS = Service("analytics", 8084, 4, "FastAPI", prefix="analytics", debug_base="/api/debug")
FRONTEND = Service("frontend", 0, 5, "Jupyter")

_ALL = (GATEWAY, GAME_ENGINE, PAYMENT, ANALYTICS, FRONTEND)
SERVICES = {service.name: service for service in _ALL}
ROUTED = {service.prefix: service for service in SERVICES.values() if service.prefix}
