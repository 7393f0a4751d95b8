"""Short form of `benchmarks/embed_throughput.py`: without the peer, on a tiny model, and without judging time."""

import pytest

from benchmarks import embed_throughput
from benchmarks.embed_throughput import Figures, report


def test_vectors_are_those_of_fp32_and_a_second_run_embeds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code = embed_throughput.main(["--peer", "none", "--tiny", "--pictures", "10", "--batch", "4", "--rounds", "1"])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "worse",
    [
        {"forward": 30.0},  # the product's 25 are less than 90 % of it
        {"theirs": 20.0},
        {"repeated": 1},
        {"repeat_share": 0.2},
        {"distance": 0.02},
        {"bf16": 0.6},
    ],
)
def test_each_bar_can_be_missed(worse: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    assert report(_figures())
    assert not report(_figures(**worse))
    capsys.readouterr()


def test_on_a_gpu_the_slower_of_decoder_and_forward_pass_is_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(_figures(device="cuda", forward=900.0, decoder=27.0))
    assert not report(_figures(device="cuda", forward=900.0, decoder=30.0))
    assert not report(_figures(device="cuda", forward=30.0, decoder=900.0))
    assert "90% of the bare decoder" in capsys.readouterr().out


def _figures(
    forward: float = 27.0,
    theirs: float = 12.0,
    repeated: float = 0,
    repeat_share: float = 0.001,
    distance: float = 1e-4,
    bf16: float = 0.78,
    device: str = "cpu",
    decoder: float = 500.0,
) -> Figures:
    rates = {"the product": [25.0, 24.0, 26.0], "bare forward": [forward] * 3, "bare decoder": [decoder] * 3}
    rates["clip-retrieval"] = [theirs] * 3
    recall = {"fp32": (0.79, 0.75, 0.83), "bf16": (bf16, bf16 - 0.04, bf16 + 0.04)}
    return Figures(rates, device, int(repeated), repeat_share, distance, recall)
