"""What is counted in a program for a GPU: by hand in a small text, and in what XLA compiles where `gpu-plan` is installed."""

import json
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"

# A product, a kernel that takes 2 of 64 rows, a loop of 5 turns with a transform, and one of unknown length that updates a row in
# place and, in one branch, calls an eigensolver; f64[64,8] has 4096 bytes.
TEXT = """HloModule jit_f, is_scheduled=true

%fused_slice (p: f64[64,8], i: s32[]) -> f64[2,8] {
  %p = f64[64,8]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  ROOT %cut = f64[2,8]{1,0} dynamic-slice(%p, %i, %zero), dynamic_slice_sizes={2,8}
}

%fused_update (p.1: f64[64,8], row: f64[1,8], i.1: s32[]) -> f64[64,8] {
  %p.1 = f64[64,8]{1,0} parameter(0)
  %row = f64[1,8]{1,0} parameter(1)
  %i.1 = s32[] parameter(2)
  %zero.1 = s32[] constant(0)
  ROOT %put = f64[64,8]{1,0} dynamic-update-slice(%p.1, %row, %i.1, %zero.1)
}

%known (state: (s32[], c128[8])) -> (s32[], c128[8]) {
  %state = (s32[], c128[8]{0}) parameter(0)
  %n = s32[] get-tuple-element(%state), index=0
  %x = c128[8]{0} get-tuple-element(%state), index=1
  %y = c128[8]{0} fft(%x), fft_type=FFT, fft_length={8}
  ROOT %next = (s32[], c128[8]{0}) tuple(%n, %y)
}

%known_condition (state.1: (s32[], c128[8])) -> pred[] {
  %state.1 = (s32[], c128[8]{0}) parameter(0)
  ROOT %more = pred[] constant(true)
}

%left (q: f64[64,8]) -> f64[64,8] {
  ROOT %q = f64[64,8]{1,0} parameter(0)
}

%right (q.1: f64[64,8]) -> f64[64,8] {
  %q.1 = f64[64,8]{1,0} parameter(0)
  %solved = (f64[64,8]{1,0}, s32[]) custom-call(%q.1), custom_call_target="cusolver_syevd_ffi"
  ROOT %q.2 = f64[64,8]{1,0} get-tuple-element(%solved), index=0
}

%body (carry: (s32[], f64[64,8], f64[1,8])) -> (s32[], f64[64,8], f64[1,8]) {
  %carry = (s32[], f64[64,8]{1,0}, f64[1,8]{1,0}) parameter(0)
  %k = s32[] get-tuple-element(%carry), index=0
  %a = f64[64,8]{1,0} get-tuple-element(%carry), index=1
  %r = f64[1,8]{1,0} get-tuple-element(%carry), index=2
  %b = f64[64,8]{1,0} fusion(%a, %r, %k), kind=kLoop, calls=%fused_update
  %c = f64[64,8]{1,0} conditional(%k, %b, %b), branch_computations={%left, %right}
  ROOT %after = (s32[], f64[64,8]{1,0}, f64[1,8]{1,0}) tuple(%k, %c, %r)
}

%condition (carry.1: (s32[], f64[64,8], f64[1,8])) -> pred[] {
  %carry.1 = (s32[], f64[64,8]{1,0}, f64[1,8]{1,0}) parameter(0)
  %k.1 = s32[] get-tuple-element(%carry.1), index=0
  ROOT %go = pred[] compare(%k.1, %k.1), direction=LT
}

ENTRY %main (x.1: f64[64,8], y.1: f64[8,16], z.1: c128[8], k.2: s32[]) -> f64[64,16] {
  %x.1 = f64[64,8]{1,0} parameter(0)
  %y.1 = f64[8,16]{1,0} parameter(1)
  %z.1 = c128[8]{0} parameter(2)
  %k.2 = s32[] parameter(3)
  %product = (f64[64,16]{1,0}, s8[4096]{0}) custom-call(%x.1, %y.1), custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]}}}
  %begun = ((f64[64,8]{1,0}, s32[]), f64[2,8]{1,0}, u32[]) fusion-start(%x.1, %k.2), kind=kLoop, calls=%fused_slice
  %start = (s32[], c128[8]{0}) tuple(%k.2, %z.1)
  %five = (s32[], c128[8]{0}) while(%start), condition=%known_condition, body=%known, backend_config={"known_trip_count":{"n":"5"}}
  %few = f64[2,8]{1,0} fusion-done(%begun)
  %first = f64[1,8]{1,0} bitcast(%few)
  %begin = (s32[], f64[64,8]{1,0}, f64[1,8]{1,0}) tuple(%k.2, %x.1, %first)
  %some = (s32[], f64[64,8]{1,0}, f64[1,8]{1,0}) while(%begin), condition=%condition, body=%body
  ROOT %result = f64[64,16]{1,0} get-tuple-element(%product), index=0
}
"""  # noqa: E501


def script(name):
    found = spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = module_from_spec(found)
    sys.modules[name] = module  # where dataclasses look for it
    found.loader.exec_module(module)
    return module


def test_a_small_program_is_counted_as_by_hand():
    once, turn = script("hlo").counted(TEXT).values()
    assert (once.launches, once.waits, dict(once.calls)) == (7, 0, {"gemm": 1, "fft": 5})
    assert once.flops == 2 * 64 * 8 * 16
    assert once.bytes == 8 * (64 * 8 + 8 * 16 + 64 * 16) + (2 * 8 * 16 + 4) + 5 * 2 * 8 * 16
    assert (turn.launches, turn.waits, dict(turn.calls)) == (3, 2, {"syevd": 1})
    assert turn.bytes == (2 * 64 + 4) + (2 * 4096 + 4) + (2 * 4 + 1)


def test_a_row_is_told_once_for_cards_that_do_the_same():
    plan = script("gpu_plan")
    row = plan.Row("f", "once", "H100", 7, 0, {"gemm": 1}, 1_000_000, 0, 2_000_000, 0.3, 0.0, 21.0)
    same = plan.replace(row, card="H200", bytes_us=0.2)
    other = plan.replace(same, launches=8)
    assert list(plan.lines([row, same])) == ["| f | once | H100 / H200 | 7 | 0 | 1 gemm | 1 | 2 | 0.3 / 0.2 | 0 | 21 |"]
    assert len(list(plan.lines([row, other]))) == 2


def test_without_its_extra_it_says_what_to_install(monkeypatch):
    plan = script("gpu_plan")
    monkeypatch.setattr(plan.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r'pip install -e "\.\[gpu-plan\]"'):
        plan.prepare()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax_cuda13_plugin") is None, reason="needs the extra gpu-plan")
def test_a_right_hand_side_for_two_cards():
    """Which has to read D2 and write its derivative, in a handful of kernels without a library."""
    command = [sys.executable, SCRIPTS / "gpu_plan.py", "--json", "--only", "right-hand side, V, 16"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["card"], row["part"], row["waits"], row["calls"]) for row in rows] == [
        ("H100", "once", 0, {}),
        ("H200", "once", 0, {}),
    ]
    for row, bandwidth in zip(rows, (3.35e12, 4.8e12), strict=True):
        copies = row["bytes"] / (16 * 16**4)
        assert 2 <= copies <= 12 and 1 <= row["launches"] <= 15 and row["temporary"] > 0
        assert row["bytes_us"] == pytest.approx(1e6 * row["bytes"] / bandwidth, abs=0.01)
