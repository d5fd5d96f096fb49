import socket
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo_services import payment
from kit.commands import doctor
from kit.commands.cli import COURSE, main
from kit.hosting import node
from kit.hosting.server import HOST
from tests.hosting.installed import write_installed


def findings(home: Path, course: Path = COURSE) -> dict[str, doctor.Diagnosis]:
    return {finding.what: finding for finding in doctor.examine_machine(home, course)}


def test_a_machine_that_has_all_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "✗" not in result.output
    assert "sentry-sdk" in result.output


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "requires", lambda name: ["sentry-sdk<2", "no-such-package>=1"])
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "pip install 'sentry-sdk<2'" in result.output
    assert "✗ no-such-package missing" in result.output


def test_a_folder_that_cannot_be_written_to_is_a_lack(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    [lack] = [f for f in findings(blocked / "home").values() if not f.ok]
    assert "WORKSHOP_HOME" in lack.remedy


def test_a_missing_course_is_a_lack(tmp_path: Path) -> None:
    assert not findings(tmp_path, tmp_path / "none")[f"the course in {tmp_path / 'none'}"].ok


def test_a_taken_port_is_said_and_is_no_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server((HOST, 0))) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(doctor, "INGEST_PORT", port)
        assert findings(tmp_path)[f"port {port} for ingest is taken; another one will be used"].ok


def test_the_database_in_use_is_said_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://ada:secret@db.example:27017/workshop")
    assert findings(tmp_path)["database: MONGODB_URI, at db.example:27017"].ok
    monkeypatch.delenv("MONGODB_URI")
    monkeypatch.setattr("kit.hosting.database.SECANTUS", "no_such_package")
    lack = findings(tmp_path)["no database"]
    assert not lack.ok
    assert "MONGODB_URI" in lack.remedy


def test_node_and_the_packages_of_payment_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKSHOP_NODE", raising=False)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path))
    modules = node.node_modules(payment.HOME, node.find_node())
    said = findings(tmp_path)
    assert said[f"Node.js {node.find_node().version}: came with the workshop"].ok
    assert said["packages of payment: not installed yet: the first use downloads them"].ok
    modules.mkdir(parents=True)
    (said_of_half,) = (what for what in findings(tmp_path) if "packages of payment" in what)
    assert "incomplete, node_modules/.package-lock.json is missing" in said_of_half
    write_installed(payment.HOME, modules)
    assert findings(tmp_path)[f"packages of payment: in {modules}"].ok


def test_a_node_that_will_not_do_is_a_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-node")
    lack = findings(tmp_path)["no Node.js"]
    assert not lack.ok
    assert "WORKSHOP_NODE" in lack.remedy
