"""What the crash types of several services claim alike."""

from kit.crashes.crash_type import Captured, NotCaptured

NO_ADDRESS = NotCaptured(
    "The player's IP address",
    "The services switch it off: user_info of data_collection, which is on by default. The SDK "
    "would send REMOTE_ADDR, the address of its caller: behind the gateway that is the gateway.",
    "Set user.ip_address with set_user, where you may keep it.",
    "[user.ip_address, request.env.REMOTE_ADDR] | [?@] | [0]",
)
NO_LOAD = NotCaptured(
    "How many other requests were in flight",
    "An event describes one request. The load around it is in no event.",
    "Put a counter into a context, or look at the traces of the same minute.",
    "contexts.*.keys(@)[] | [?contains(@, 'request') || contains(@, 'flight')] | [0]",
)


def local(name: str, why: str) -> Captured:
    """Return a local variable of the line of ours that failed."""
    return Captured(f"exception.values[-1].stacktrace.frames[?in_app] | [-1].vars.{name}", why)


def no_globals(name: str, attribute: str) -> NotCaptured:
    """Return the absence of a global that the code uses, and of an attribute of a local variable.

    ``attribute`` is both of their names, as ``self.machine``.
    """
    return NotCaptured(
        "Globals and the attributes of objects",
        "Only local variables are sent, as repr() gives them: an object shows what its repr shows.",
        "Give your classes a repr worth reading, or put the value into a context.",
        f"exception.values[-1].stacktrace.frames[].vars.[{name}, {attribute}][] | [0]",
    )
