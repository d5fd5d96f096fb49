"""The SDKs whose events are tried, a declaration each: the package, the program, the card."""

from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")
RECORDED = Path(__file__).with_name("recorded")

ERROR = "OrderError: tea cannot be ordered"
MESSAGE = "Tea is running low"


@dataclass(frozen=True)
class ForeignSdk:
    """An SDK and what its program sends.

    ``name`` is also that of its project. ``package`` is what a registry calls it, with the exact
    version where there is a choice. ``titles`` are those of its events in the order of sending.
    ``says`` must be on the card of its error, the last event.
    """

    name: str
    package: str
    program: str
    titles: tuple[str, ...] = (MESSAGE, ERROR)
    says: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The file of the program."""
        return PROGRAMS / self.program


_PYTHON_CHAIN = ("caused by", "could not convert string to float", "Unhandled")
_RAVEN_CHAIN = (*_PYTHON_CHAIN[:2], "does not say which frames are in-app")
_NODE_CHAIN = ("caused by", "Cannot read properties of null", "Unhandled")

_RUBY_CHAIN = ("caused by", "ArgumentError", "every frame as not in-app", "2 more frames")

PYTHON = (
    ForeignSdk("python-1", "sentry-sdk==1.45.1", "shop.py", says=_PYTHON_CHAIN),
    ForeignSdk("python-2", "sentry-sdk==2.75.0", "shop.py", says=_PYTHON_CHAIN),
    ForeignSdk("python-3", "sentry-sdk==3.0.0b2", "shop.py", says=_PYTHON_CHAIN),
    ForeignSdk("raven-python", "raven==6.10.0", "raven_shop.py", says=_RAVEN_CHAIN),
)
NODE = tuple(
    ForeignSdk(f"node-{major}", f"@sentry/node-{major}", "shop.js", says=_NODE_CHAIN)
    for major in (7, 8, 9, 10, 11)
)
CLI = ForeignSdk("cli", "@sentry/cli", "", titles=(MESSAGE,))
RUBY = (
    ForeignSdk("ruby", "ruby-sentry-ruby", "shop.rb", says=_RUBY_CHAIN),
    ForeignSdk("raven-ruby", "ruby-sentry-raven", "raven_shop.rb", says=_RUBY_CHAIN),
)
GO = ForeignSdk(
    "go",
    "golang-github-getsentry-sentry-go-dev",
    "go/shop/main.go",
    titles=(
        MESSAGE,
        "*errors.errorString: tea is sold out",
        "*main.orderError: tea cannot be ordered",
    ),
    says=("caused by", "*strconv.NumError"),
)
_MINIFIED = ("minified code", "sourcemaps")
_IN_PAGE = ("caused by", "Cannot read properties of null", "Unhandled", *_MINIFIED)
_READING = "TypeError: Cannot read properties of null (reading 'toFixed')"
BROWSER = (
    ForeignSdk("browser-7", "@sentry/browser-7", "browser.js", says=_IN_PAGE),
    ForeignSdk("browser-10", "@sentry/browser-10", "browser.js", says=_IN_PAGE),
    ForeignSdk("browser-11", "@sentry/browser", "browser.js", says=_IN_PAGE),
    ForeignSdk(
        "react-11",
        "@sentry/react",
        "react.jsx",
        titles=(MESSAGE, _READING),
        says=("caused by", "React ErrorBoundary TypeError", *_MINIFIED),
    ),
    ForeignSdk(
        "angular-11",
        "@sentry/angular",
        "angular.ts",
        titles=(MESSAGE, _READING),
        says=("Unhandled", *_MINIFIED),
    ),
)
PROCESSES = (*PYTHON, *NODE, CLI, *RUBY, GO)
EVERY = (*PROCESSES, *BROWSER)
