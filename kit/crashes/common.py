"""Declarations that the crash types of several services share."""

from kit.crashes.crash_type import Captured, NotCaptured

NO_ADDRESS = NotCaptured(
    "The player's IP address",
    "The services turn off user_info of data_collection, which is on by default. The SDK would "
    "send REMOTE_ADDR, the address of its caller: behind the gateway that is the gateway.",
    "Set user.ip_address with set_user, if you may keep it.",
    "[user.ip_address, request.env.REMOTE_ADDR] | [?@] | [0]",
)
NO_LOAD = NotCaptured(
    "How many other requests were in flight",
    "An event describes one request, not the load around it.",
    "Put a counter into a context, or look at the traces of the same minute.",
    "contexts.*.keys(@)[] | [?contains(@, 'request') || contains(@, 'flight')] | [0]",
)


def local(name: str, why: str) -> Captured:
    """Return a local variable of the in-app line that failed."""
    return Captured(f"exception.values[-1].stacktrace.frames[?in_app] | [-1].vars.{name}", why)


def no_globals(name: str, attribute: str) -> NotCaptured:
    """Return the absence of a global that the code uses, and of an attribute of a local variable.

    ``attribute`` has both names, as in ``self.machine``.
    """
    return NotCaptured(
        "Globals and the attributes of objects",
        "Only local variables are sent, as their repr(): an object shows what its repr shows.",
        "Give your classes a useful repr, or put the value into a context.",
        f"exception.values[-1].stacktrace.frames[].vars.[{name}, {attribute}][] | [0]",
    )
