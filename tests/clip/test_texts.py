"""A text's vector does not depend on the padding behind it, and the padding is not computed."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from tasks.clip.encoder import Encoder
from tasks.clip.folder import load_model
from tasks.clip.texts import text_features
from tests.clip.shapes import TINY_VIT, make_model

TEXTS = ["a mug", "", "a large blue striped mug of glazed stoneware", "x " * 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("vit"), TINY_VIT)


@pytest.mark.parametrize("texts", [[text] for text in TEXTS] + [TEXTS[:2], TEXTS[:3], TEXTS])
@torch.inference_mode()
def test_features_are_those_of_the_whole_context(folder: Path, texts: list[str]) -> None:
    model, _ = load_model(folder)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    positions = model.positional_embedding.shape
    np.testing.assert_allclose(text_features(model, tokens), model.encode_text(tokens), rtol=1e-4, atol=1e-6)
    assert model.positional_embedding.shape == positions  # the model itself is as it was


@torch.inference_mode()
def test_the_tower_gets_no_more_tokens_than_the_longest_text_has(folder: Path) -> None:
    model, _ = load_model(folder)
    seen: list[int] = []
    model.transformer.register_forward_hook(lambda _, given, made: seen.append(given[0].shape[1]))
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    for texts in (["mug"], ["mug", "a red mug"], ["x " * 100]):
        text_features(model, tokenize(texts))
    assert seen == [3, 5, 16]  # start and end count


def test_texts_of_like_length_together_give_the_same_features_and_gradients(folder: Path) -> None:
    model, _ = load_model(folder)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS * 10)
    passes, found = [], []
    model.transformer.register_forward_hook(lambda _, given, made: passes.append(given[0].shape[:2]))
    for features in (model.encode_text(tokens), text_features(model, tokens, parts=3)):
        model.zero_grad()
        (features * torch.linspace(-1, 1, features.numel()).view_as(features)).sum().div(10).backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        found.append([features.detach(), *(gradient.clone() for gradient in gradients)])
    assert len(found[0]) == len(found[1]) > 10
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert passes == [(40, 16), (20, 4), (20, 16)]


def test_few_texts_are_one_pass(folder: Path) -> None:
    model, _ = load_model(folder)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    passes: list[int] = []
    model.transformer.register_forward_hook(lambda _, given, made: passes.append(len(given[0])))
    text_features(model, tokens, parts=4)
    assert passes == [4]


@torch.inference_mode()
def test_a_tower_that_looks_ahead_gets_every_token() -> None:
    looking_ahead = TINY_VIT | {"text_cfg": TINY_VIT["text_cfg"] | {"no_causal_mask": True}}
    for model in (open_clip.CLIP(**looking_ahead), open_clip.CustomTextCLIP(**TINY_VIT)):
        tokens = open_clip.tokenize(["mug", "a red mug"], context_length=16)
        np.testing.assert_array_equal(text_features(model.eval(), tokens), model.encode_text(tokens))


def test_a_text_has_one_vector_in_any_company(folder: Path) -> None:
    encoder = Encoder.load(folder, device="cpu")
    together = encoder.encode_texts(TEXTS)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
