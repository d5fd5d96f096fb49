"""The variables that child processes inherit from the learner's shell.

All except those that would change what they do. A shell is set up for other work: its variables
choose proxies and npm's folders, enable debuggers, and name the cloud that a program runs in,
which Sentry's SDK for Node.js then reports.
"""

from collections.abc import Mapping

from kit.hosting.server import HOST

# They configure the SDKs and FastAPI's own telemetry.
TELEMETRY = ("SENTRY_", "OTEL_", "FASTAPI_OTEL_")
# Read by Node.js, Express and the SDK: its own settings, and the cloud that it runs in.
_NODE_SETTINGS = (
    *("NODE_", "NPM_", "SENTRY_", "OTEL_", "UV_", "DEBUG", "FORCE_COLOR", "NO_COLOR"),
    *("AWS_", "LAMBDA_", "VERCEL", "NETLIFY", "CF_PAGES", "GCP_PROJECT", "K_SERVICE", "DYNO"),
    *("FUNCTIONS_WORKER_RUNTIME", "ALIYUN_REGION_ID", "WEBSITE_SITE_NAME", "REGION_NAME"),
    *("IBM_CLOUD_REGION", "TENCENTCLOUD_", "FLY_REGION"),
)
# How npm reaches its registry, which certificates it trusts, and where its cache is. Everything
# else that matters is on its command line, which also overrides .npmrc files.
_NPM_CONNECTION = frozenset(
    (
        *("registry", "proxy", "http_proxy", "https_proxy", "noproxy", "no_proxy"),
        *("cafile", "ca", "cert", "key", "certfile", "keyfile", "strict_ssl"),
        *("local_address", "maxsockets", "userconfig", "globalconfig"),
        *("cache", "offline", "prefer_offline", "prefer_online"),
    )
)
# Certificates and proxies, and the password that .npmrc files read from the environment.
_NODE_CONNECTION = frozenset(
    (
        *("NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "NODE_TLS_REJECT_UNAUTHORIZED"),
        *("NODE_USE_ENV_PROXY", "NODE_AUTH_TOKEN"),
    )
)
# Where Python finds its modules; all others change how it runs.
_PYTHON_PLACES = frozenset(
    ("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR")
)
_NPM_CONFIG = "NPM_CONFIG_"


def service_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a JavaScript service, without the service's own variables."""
    own = {k: v for k, v in environment.items() if not k.upper().startswith(_NODE_SETTINGS)}
    return _without_proxy_here(own)


def npm_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of npm: of its settings, only those for reaching a registry."""
    own = {name: value for name, value in environment.items() if _is_for_npm(name)}
    # Corporate proxies re-sign TLS with a CA that the OS and pip trust but Node.js does not.
    return {"NODE_USE_SYSTEM_CA": "1", **_without_proxy_here(own)}


def python_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Python program that has the same modules as this one."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith("PYTHON") or name.upper() in _PYTHON_PLACES
    }


def experiment_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that shows what an SDK does by default.

    It only connects to this machine, so it gets no proxy.
    """
    own = python_environment(environment)
    return {
        name: value
        for name, value in own.items()
        if not (name.upper().startswith(TELEMETRY) or name.upper().endswith("_PROXY"))
    }


def _without_proxy_here(environment: Mapping[str, str]) -> dict[str, str]:
    """Exempt this machine's loopback from proxies, which cannot reach it."""
    given = environment.get("no_proxy") or environment.get("NO_PROXY")
    exempt = ",".join(filter(None, [given, HOST, "localhost"]))
    # Sentry's SDK reads the lower-case name.
    return {**environment, "NO_PROXY": exempt, "no_proxy": exempt}


def _is_for_npm(name: str) -> bool:
    upper = name.upper()
    if upper.startswith(_NPM_CONFIG):
        setting = name[len(_NPM_CONFIG) :]
        # Settings for one registry have its address or scope in their name: //host/:_authToken.
        is_of_one = setting.startswith(("//", "@", "_auth"))
        return is_of_one or setting.lower().replace("-", "_") in _NPM_CONNECTION
    if upper.startswith("NODE_"):
        return upper in _NODE_CONNECTION
    return upper != "FORCE_COLOR"  # npm's output is parsed
