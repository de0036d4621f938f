"""Configs made wrong at random are refused in words, or valid: `scripts/fuzz_configs.py` tries many more."""

from tests.config.mutations import case, verdict


def test_300_wrong_configs_end_in_words(tmp_path):
    found = {number: verdict(*case(number, seed=1), tmp_path / "case.yaml") for number in range(300)}
    assert {number: wrong for number, wrong in found.items() if wrong} == {}
