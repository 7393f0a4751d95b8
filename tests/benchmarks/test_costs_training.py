"""What a training step must not do twice: guards that count, so that no clock is asked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tasks.clip import finetune as module
from tasks.clip.augment import PixelCache
from tasks.clip.config import FinetuneConfig
from tasks.clip.finetune import finetune
from tasks.clip.folder import load_model
from tasks.clip.gradient import Batch, backward
from tasks.clip.vocabulary import TrimmedVocabulary
from tests.clip.shapes import TINY_VIT, make_model, shapes

PAIRS, CONTEXT = 16, 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("vit"), TINY_VIT)


def _batch(lengths: list[int]) -> Batch:
    """Texts of so many tokens, start and end among them."""
    tokens = torch.zeros(len(lengths), CONTEXT, dtype=torch.int64)
    for row, length in enumerate(lengths):
        tokens[row, : length - 1] = torch.arange(49406 - length + 2, 49407)
        tokens[row, length - 1] = 49407
    return Batch(torch.rand(len(lengths), 3, 32, 32), tokens, torch.eye(len(lengths), dtype=torch.bool))


def _flops(folder: Path, batch: Batch, accumulate: int = 1) -> int:
    model, _ = load_model(folder)
    counter = FlopCounterMode(display=False)
    with counter:
        backward(model.train(), batch, accumulate=accumulate, smoothing=0.0, precision="fp32", seed=0)
    return counter.get_total_flops()


def _bare_flops(folder: Path, lengths: list[int]) -> int:
    """Forward and backward of the whole batch of images, and of each text alone with nothing behind its end."""
    model, _ = load_model(folder)
    batch, counter = _batch(lengths), FlopCounterMode(display=False)
    with counter:
        images = model.encode_image(batch.images)
        texts = []
        for row, length in enumerate(lengths):
            model.positional_embedding = torch.nn.Parameter(torch.zeros(length, 32))
            model.attn_mask = torch.zeros(length, length)
            texts.append(model.encode_text(batch.tokens[row : row + 1, :length]))
        (images @ torch.cat(texts).t()).sum().backward()
    return counter.get_total_flops()


def test_a_step_computes_what_its_images_and_texts_need_and_no_more(folder: Path) -> None:
    lengths = sorted([2, 4, 9, 16] * 40)
    mixed = [lengths[row] for row in np.random.default_rng(0).permutation(len(lengths))]
    assert _flops(folder, _batch(mixed)) == _bare_flops(folder, lengths)


def test_only_a_batch_in_pieces_pays_a_second_forward(folder: Path) -> None:
    batch = _batch([8] * PAIRS)
    whole, cut = _flops(folder, batch), _flops(folder, batch, accumulate=4)
    assert 1.25 * whole < cut < 1.4 * whole  # a third of forward and backward


@pytest.mark.parametrize(("accumulate", "passes"), [(1, [16]), (4, [4] * 8)])
def test_no_pass_holds_more_than_a_piece(folder: Path, accumulate: int, passes: list[int]) -> None:
    model, _ = load_model(folder)
    seen: list[int] = []
    model.visual.register_forward_hook(lambda _, given, made: seen.append(len(given[0])))
    backward(model, _batch([8] * PAIRS), accumulate=accumulate, smoothing=0.0, precision="fp32", seed=0)
    assert seen == passes


def test_each_image_is_decoded_once_where_all_fit_into_memory(folder: Path, tmp_path: Path) -> None:
    data, val = shapes(32), shapes(8)
    for memory, decoded in ((4096, 40), (0, 3 * 32 + 8 * 2)):
        counted = _Counted()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PixelCache, "_decode", counted.around(PixelCache._decode))
            config = FinetuneConfig.small(steps=6, batch_size=16, evaluations=2, picture_memory_mb=memory)
            finetune(folder, data, val, config, tmp_path / "out")
        assert counted.calls == decoded  # 6 batches of 16 are three passes over the 32


def test_captions_are_split_into_tokens_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    load = module.load_tokenizer

    def loaded(base: Path):  # type: ignore[no-untyped-def]
        tokenize = load(base)
        return lambda texts: seen.extend(texts) or tokenize(texts)

    monkeypatch.setattr(module, "load_tokenizer", loaded)
    data, val = shapes(32), shapes(8)
    finetune(folder, data, val, FinetuneConfig.small(steps=6, batch_size=16, evaluations=2), tmp_path / "out")
    distinct = {text for kinds in data.captions for text in kinds.values()}
    assert len(seen) == len(distinct) + len(val)


def test_the_optimiser_sees_only_the_tokens_that_occur(folder: Path) -> None:
    model, _ = load_model(folder)
    whole, tokens = model.token_embedding.weight, _batch([8, 4]).tokens
    vocabulary = TrimmedVocabulary(model, tokens)
    assert len(model.token_embedding.weight) == len(tokens.unique())
    texts = model.encode_text(vocabulary.renumber(tokens))
    vocabulary.restore()
    assert model.token_embedding.weight is whole
    torch.testing.assert_close(texts, model.encode_text(tokens))


class _Counted:
    def __init__(self) -> None:
        self.calls = 0

    def around(self, function):  # type: ignore[no-untyped-def]
        def counted(*given):  # type: ignore[no-untyped-def]
            self.calls += 1
            return function(*given)

        return counted
