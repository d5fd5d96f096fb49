"""A failure that Sentry may not see, declared as code without and with one line."""

import re
import textwrap
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from demo_services.sdk import GENERATION

# The generation of the Python SDK whose verdicts are declared but not fired here.
OTHER_GENERATION = 2 if GENERATION >= 3 else 3
# Prevents a logger from creating events and breadcrumbs.
IGNORE_LOGGER = "ignore_logger_for_events" if GENERATION >= 3 else "ignore_logger"

RUNTIMES = {
    "python": "Python",
    "tornado": "Tornado",
    "fastapi": "FastAPI",
    "node": "Node.js",
    "notebook": "the notebook",
}

# The header of every program of a runtime. The DSN is in the environment.
PYTHON = f"""\
import asyncio, gc, logging, os, subprocess, sys, threading, warnings, weakref, _thread
from concurrent.futures import ThreadPoolExecutor
import sentry_sdk
from sentry_sdk.integrations.asyncio import enable_asyncio_integration
from sentry_sdk.integrations.logging import LoggingIntegration, {IGNORE_LOGGER}
from sentry_sdk.integrations.sys_exit import SysExitIntegration
from sentry_sdk.integrations.unraisablehook import UnraisablehookIntegration
sentry_sdk.init()
async def fail(): int("ten")
"""
TORNADO = f"""\
import logging
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration, {IGNORE_LOGGER}
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler
sentry_sdk.init()
"""
FASTAPI = """\
import asyncio, contextlib
import sentry_sdk
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.responses import JSONResponse, StreamingResponse
from sentry_sdk.integrations.asyncio import enable_asyncio_integration
from sentry_sdk.integrations.starlette import StarletteIntegration
sentry_sdk.init()
app = FastAPI()
async def fail(): int("ten")
"""
NODE = """\
const { exec } = require('node:child_process');
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const { Worker } = require('node:worker_threads');
const Sentry = require('@sentry/node');
Sentry.init();
const app = require('express')();
"""
NOTEBOOK = """\
import threading
import ipywidgets, sentry_sdk
sentry_sdk.init()
"""
PRELUDES = {
    "python": PYTHON,
    "tornado": TORNADO,
    "fastapi": FASTAPI,
    "node": NODE,
    "notebook": NOTEBOOK,
}


class DiffLine(NamedTuple):
    """A line of code; ``mark`` is ``+`` for the line that is added, ``-`` for one it replaces."""

    mark: str
    text: str


class SdkVerdict(NamedTuple):
    """What one generation of the Python SDK does with a failure, and why.

    ``line`` is the line that changes that. It replaces the ``...`` that is marked ``+``.
    """

    captured: bool
    why: str
    line: str = ""


@dataclass(frozen=True)
class BlindSpot:
    """A failure that Sentry may not see.

    ``id`` is its runtime and a name, for example ``python/caught``. ``fails`` says what happens and
    ``why`` explains the result. ``difference`` is the code as a unified diff: each line follows a
    mark, which is ``+`` for at most one line and ``-`` for at most one. The title of its event
    contains ``error``. ``captured`` declares whether that event arrives without the line; with the
    line it is the opposite. Code that is ``alone`` ends its process, so it runs in a separate one.
    All of this is about the installed SDK. ``in_other_generation`` is the same failure as declared
    for the other generation of the Python SDK, where that differs.
    """

    id: str
    fails: str
    difference: str
    why: str
    error: str = "ValueError"
    captured: bool = False
    alone: bool = False
    in_other_generation: "BlindSpot | None" = None

    @classmethod
    def per_generation(
        cls,
        id: str,
        fails: str,
        difference: str,
        *,
        in_2: SdkVerdict,
        in_3: SdkVerdict,
        error: str = "ValueError",
    ) -> "BlindSpot":
        """Declare a failure that versions 2 and 3 of the Python SDK treat differently."""
        here, other = (
            cls(id, fails, difference, verdict.why, error, verdict.captured).with_line(verdict.line)
            for verdict in ((in_3, in_2) if GENERATION >= 3 else (in_2, in_3))
        )
        return replace(here, in_other_generation=other)

    @property
    def flips(self) -> bool:
        """Whether the other generation of the Python SDK is declared to do the opposite."""
        other = self.in_other_generation
        return other is not None and other.captured != self.captured

    @property
    def runtime(self) -> str:
        """The key of its runtime in ``RUNTIMES``."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """The id without the runtime."""
        return self.id.partition("/")[2]

    @cached_property
    def lines(self) -> list[DiffLine]:
        """The code, line by line."""
        text = textwrap.dedent(self.difference).strip("\n")
        if not re.search(r"^[+-] ", text, re.MULTILINE):
            text = textwrap.indent(text, "  ")
        return [DiffLine(each[:1], each[2:]) for each in text.splitlines()]

    @property
    def line(self) -> str | None:
        """The added line alone; None when there is none."""
        return next((line.text.strip() for line in self.lines if line.mark == "+"), None)

    @property
    def before(self) -> str:
        """The code without the line."""
        return self._without("+")

    @property
    def after(self) -> str:
        """The code with the line."""
        return self._without("-")

    def with_line(self, given: str) -> "BlindSpot":
        """Return the same failure with a different added line."""
        lines = [
            f"{mark} {_indent(text) + given if mark == '+' else text}" for mark, text in self.lines
        ]
        return replace(self, difference="\n".join(lines), in_other_generation=None)

    def _without(self, mark: str) -> str:
        return "\n".join(line.text for line in self.lines if line.mark != mark) + "\n"


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]
