"""Faults as OpenFeature flags, so that Sentry's own hook records them on events.

Imported when the first fault is set: until then a service does not load OpenFeature.
"""

import threading
from collections.abc import Mapping

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.provider.no_op_provider import NoOpProvider
from sentry_sdk.integrations.openfeature import OpenFeatureHook

from demo_services.faults.split import is_hit

_lock = threading.Lock()
_taken: set[str] = set()


class Flags:
    """The flags of one service: a provider and a client on a domain named after the service.

    A second service of that name in the same process, as in tests, gets a domain with a number.
    """

    def __init__(self, service: str) -> None:
        with _lock:
            # The hook is global to the process. If an application has already enabled the
            # integration, that added one, and a second hook would record every flag twice.
            if not any(isinstance(hook, OpenFeatureHook) for hook in api.get_hooks()):
                api.add_hooks([OpenFeatureHook()])
            self.domain = next(name for name in _names(service) if name not in _taken)
            _taken.add(self.domain)
        self._client = api.get_client(self.domain)

    def use(self, splits: Mapping[str, tuple[int, float]]) -> None:
        """Serve these flags: a seed and a share for each."""
        flags = {name: boolean_flag(name, *split) for name, split in splits.items()}
        api.set_provider_and_wait(InMemoryProvider(flags), self.domain)

    def is_on(self, name: str, key: str) -> bool:
        """Evaluate a flag for a request; its error events carry the result from now on."""
        return self._client.get_boolean_value(name, False, EvaluationContext(targeting_key=key))

    def close(self) -> None:
        """Release the domain."""
        api.set_provider_and_wait(NoOpProvider(), self.domain)
        with _lock:
            _taken.discard(self.domain)


def _names(service: str) -> list[str]:
    return [service, *(f"{service}-{number}" for number in range(2, len(_taken) + 3))]


def boolean_flag(name: str, seed: int, share: float) -> InMemoryFlag[bool]:
    """Return a flag that is on for a share of targeting keys.

    Sentry's hook only records boolean flags, so the numbers of a fault are elsewhere.
    """

    def split(flag: InMemoryFlag[bool], context: EvaluationContext) -> FlagResolutionDetails[bool]:
        is_on = is_hit(seed, name, context.targeting_key or "", share)
        variant = "on" if is_on else "off"
        return FlagResolutionDetails(
            value=flag.variants[variant], reason=Reason.SPLIT, variant=variant
        )

    return InMemoryFlag("off", {"on": True, "off": False}, context_evaluator=split)
