"""The fixture of ``kit.testing``, for tests in this process: the plugin need not be installed."""

from kit.testing import _running_ingest, sentry_ingest  # noqa: F401
