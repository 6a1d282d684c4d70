"""The README's first command on a copy of the repository, and the wheel, as strangers meet them."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "__pycache__", ".*_cache", ".hypothesis", "dist", "build"
)
PACKAGES = {"tracer", "runtime", "exporters", "viewer"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the repository."""
    copy = tmp_path_factory.mktemp("setup") / "flightlog"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


def shell(command: str, cwd: Path, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the README with an empty home."""
    home.mkdir(exist_ok=True)
    passed = {key: os.environ[key] for key in os.environ if key.startswith("PIP_")}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **passed, **more}
    return subprocess.run(
        command.split(), cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.timeout(900)
def test_demo_command(checkout: Path, tmp_path: Path) -> None:
    """One command sets up, records the demo's runs and says how to look at them."""
    home = tmp_path / "home"

    done = shell("sh scripts/demo", checkout, home)

    assert done.returncode == 0, done.stderr
    assert "flightlog view" in done.stdout
    for status in ("ok", "error", "blocked"):
        assert status in done.stdout
    elsewhere = shell(f"{checkout}/.venv/bin/flightlog list", tmp_path, home)
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert "Customer support" in elsewhere.stdout
    python = f"{checkout}/.venv/bin/python -c"
    where = subprocess.run(
        [*python.split(), "import runtime; print(runtime.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "site-packages" in where.stdout


def test_no_venv_module(checkout: Path, tmp_path: Path) -> None:
    """Where Python has no venv, one line says what to install."""
    crippled = tmp_path / "python3"
    crippled.write_text(
        f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    crippled.chmod(0o755)
    shutil.rmtree(checkout / ".venv", ignore_errors=True)

    done = shell("sh scripts/demo", checkout, tmp_path / "home", FLIGHTLOG_PYTHON=str(crippled))

    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.timeout(300)
def test_wheel_holds_the_packages(checkout: Path, tmp_path: Path) -> None:
    """A wheel holds the four packages with the built page, and nothing else."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(checkout)],
        check=True,
        capture_output=True,
        timeout=280,
    )

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert "viewer/static/index.html" in names
    assert any(name.startswith("viewer/static/assets/") for name in names)
    assert any(name.endswith(".sql") for name in names)
    assert all(f"{package}/py.typed" in names for package in PACKAGES)
    assert not [name for name in names if "frontend" in name or "test_" in name]
