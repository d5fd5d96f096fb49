"""What a cell shows when the user interrupts kit code: one line, not the kit's frames."""

import traceback
from pathlib import Path
from types import TracebackType

from IPython.core.interactiveshell import InteractiveShell

_KIT = str(Path(__file__).parents[1])


def shorten_interrupts(shell: InteractiveShell | None) -> None:
    """Show an interrupt of kit code as one line; a second call changes nothing.

    An interrupt of a cell's own code shows its traceback as usual: it says which line was running.
    """
    if shell is not None:
        shell.set_custom_exc((KeyboardInterrupt,), _show_interrupt)


def interrupted_function(interrupt: BaseException) -> str | None:
    """Return the kit function that the cell had called, if any."""
    for frame, _ in traceback.walk_tb(interrupt.__traceback__):
        if frame.f_code.co_filename.startswith(_KIT):
            return frame.f_code.co_qualname
    return None


def _show_interrupt(
    shell: InteractiveShell,
    kind: type[BaseException],
    interrupt: BaseException,
    frames: TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    function = interrupted_function(interrupt)
    if function is None:
        shell.showtraceback((kind, interrupt, frames), running_compiled_code=True)
        return []
    line = f"{kind.__name__}: {function}() was interrupted. To repeat it, run the cell again."
    shell._showtraceback(kind, interrupt, [line])
    return [line]
