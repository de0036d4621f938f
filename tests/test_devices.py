"""Why no GPU is used, one line for each reason, on a machine that is made to look so."""

import ctypes
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import jax
import pytest

from qnano import devices


@pytest.fixture
def machine(monkeypatch):
    """Makes this one look as if it had this package and a driver with this release of CUDA."""

    def looks(installed=None, driver=None, hidden=None):
        def version(package):
            if package != installed:
                raise PackageNotFoundError(package)
            return "0.12.0"

        monkeypatch.setattr(devices, "version", version)
        monkeypatch.setattr(devices, "driver", lambda: driver)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if hidden is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)

    return looks


NEWER, OLDER = "jax-cuda13-plugin", "jax-cuda12-plugin"
REASONS = [
    (None, None, None, "no plugin is installed; the extra cuda13 brings it (drivers from 580 on)"),
    (None, 13, None, "no plugin is installed; the extra cuda13 brings it (drivers from 580 on)"),
    (None, 12, None, "no plugin is installed; the extra cuda12 brings it (drivers from 525 on)"),
    (NEWER, None, None, f"{NEWER} is installed, but no driver of NVIDIA's"),
    (NEWER, 12, None, f"the driver has CUDA 12; {NEWER} needs a driver from 580 on, or the extra cuda12"),
    (OLDER, 11, None, f"the driver has CUDA 11; {OLDER} needs a driver from 525 on"),
    (NEWER, 13, "", "CUDA_VISIBLE_DEVICES= hides it"),
    (OLDER, 13, "-1", "CUDA_VISIBLE_DEVICES=-1 hides it"),
    (NEWER, 13, "0", f"{NEWER} and a driver are installed, but do not start; {devices.SEE}"),
]


@pytest.mark.parametrize(("package", "driver", "hidden", "reason"), REASONS)
def test_each_reason_has_its_line(machine, package, driver, hidden, reason):
    machine(package, driver, hidden)
    assert devices.why_no_gpu() == devices.why_no_gpu("cuda,cpu") == reason
    assert devices.why_no_gpu("cpu") == "JAX_PLATFORMS=cpu leaves it out"


@pytest.mark.parametrize(("tells", "release"), [(13000, 13), (12040, 12), (0, None)])
def test_the_driver_is_asked_for_its_cuda(monkeypatch, tells, release):
    def ask(place):
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = tells

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=ask))
    assert devices.driver() == release


def test_without_a_driver(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert devices.driver() is None


def test_what_is_in_use(monkeypatch, machine):
    machine()
    monkeypatch.setattr(jax, "devices", lambda: [SimpleNamespace(platform="cpu")])
    assert devices.in_use().startswith("device: cpu; no GPU: ")
    card = SimpleNamespace(platform="gpu", device_kind="NVIDIA H200")
    monkeypatch.setattr(jax, "devices", lambda: [card])
    assert devices.in_use() == "device: NVIDIA H200"
    monkeypatch.setattr(jax, "devices", lambda: 4 * [card])
    assert devices.in_use() == "device: NVIDIA H200 (4 of them)"


def test_the_reason_is_found_without_jax():
    script = "import sys\nfrom qnano import devices\ndevices.why_no_gpu()\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
