import pytest

from kit.hosting.environment import (
    experiment_environment,
    npm_environment,
    python_environment,
    service_environment,
)

PLACES = {"PATH": "/usr/bin", "HOME": "/home/ada", "WORKSHOP_HOME": "/work"}
EXEMPT = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@pytest.mark.parametrize(
    "name",
    ["NODE_OPTIONS", "node_options", "SENTRY_ENVIRONMENT", "OTEL_SDK_DISABLED", "AWS_REGION"],
)
def test_a_service_gets_no_settings_of_other_work(name: str) -> None:
    assert service_environment({**PLACES, name: "other"}) == {**PLACES, **EXEMPT}


@pytest.mark.parametrize(
    "name",
    [
        "npm_config_registry",
        "NPM_CONFIG_CAFILE",
        "npm_config_strict-ssl",
        "npm_config_//registry.example/:_authToken",
        "npm_config_@casino:registry",
        "NPM_TOKEN",
        "NODE_AUTH_TOKEN",
        "NODE_EXTRA_CA_CERTS",
        "HTTPS_PROXY",
    ],
)
def test_npm_still_reaches_its_registry(name: str) -> None:
    assert npm_environment({**PLACES, name: "given"})[name] == "given"


@pytest.mark.parametrize(
    "name",
    ["npm_config_dry_run", "NPM_CONFIG_OMIT", "npm_config_prefix", "NODE_ENV", "NODE_OPTIONS"],
)
def test_npm_gets_no_other_settings(name: str) -> None:
    assert name not in npm_environment({**PLACES, name: "other"})


def test_the_systems_certificates_are_trusted_unless_one_says_otherwise() -> None:
    assert npm_environment(PLACES)["NODE_USE_SYSTEM_CA"] == "1"
    assert npm_environment({"NODE_USE_SYSTEM_CA": "0"})["NODE_USE_SYSTEM_CA"] == "0"


def test_a_program_in_python_finds_its_modules_and_runs_as_usual() -> None:
    given = {**PLACES, "PYTHONPATH": "/lib", "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"}
    assert python_environment(given) == {**PLACES, "PYTHONPATH": "/lib"}


@pytest.mark.parametrize(
    "name",
    ["SENTRY_DSN", "sentry_debug", "OTEL_PROPAGATORS", "ALL_PROXY", "no_proxy", "PYTHONUTF8"],
)
def test_an_experiment_runs_by_the_defaults(name: str) -> None:
    assert experiment_environment({**PLACES, name: "other"}) == PLACES
