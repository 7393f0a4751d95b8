import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn.functional import normalize

from tasks.clip.config import FinetuneConfig
from tasks.clip.folder import load_model
from tasks.clip.gradient import Batch, backward
from tasks.clip.losses import contrastive_loss, positive_pairs, soft_targets
from tasks.clip.schedule import learning_rate, make_optimizer, parameter_groups, set_rate
from tests.clip.shapes import TINY_RESNET, TINY_VIT, make_model

SMALL = 3_600_000


def unit(*shape: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_without_extras_it_is_clip_s_own_loss() -> None:
    images, texts, scale = unit(12, 8, seed=1), unit(12, 8, seed=2), torch.tensor(14.3)
    ours = contrastive_loss(images, texts, scale, torch.eye(12, dtype=torch.bool))
    assert ours.item() == pytest.approx(ClipLoss()(images, texts, scale).item(), rel=1e-5)


def test_targets_share_their_mass_and_smoothing_spreads_it() -> None:
    mass = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0]]).float()
    assert soft_targets(mass, 0.0).tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]
    smooth = soft_targets(mass, 0.2)
    assert torch.allclose(smooth.sum(1), torch.ones(2))
    assert torch.allclose(smooth[0], torch.tensor([0.45, 0.45, 0.05, 0.05]))


def test_a_twin_is_not_pushed_away() -> None:
    """Two items with the same words and image: their loss falls to that of the shared target, not below chance."""
    twins = torch.eye(3)[[0, 0, 1]]
    positives = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    shared = contrastive_loss(twins, twins, torch.tensor(100.0), positives)
    # What remains is the entropy of the halves, for two of three rows.
    assert shared.item() == pytest.approx(2 / 3 * math.log(2), rel=1e-4)
    images = twins.clone().requires_grad_()
    contrastive_loss(images, twins, torch.tensor(100.0), positives).backward()
    assert images.grad is not None
    assert images.grad.abs().max() < 1e-5
    # With only the diagonal, each text would still pull its own image away from the twin's.
    apart = twins.clone().requires_grad_()
    contrastive_loss(
        apart, twins + torch.tensor([[0.0], [0.01], [0.0]]), torch.tensor(100.0), torch.eye(3).bool()
    ).backward()
    assert apart.grad is not None
    assert apart.grad.abs().max() > 0.1


def test_matches_by_rule() -> None:
    # captions: 0 "red sofa", 1 "sofa", 2 "red oak sofa", 3 "blue sofa", 4 "lamp"
    carried = torch.tensor([[2, 0, 1], [3, -1, 1], [4, -1, -1], [2, 0, 1]])
    chosen = torch.tensor([0, 1, 4, 2])
    groups = torch.tensor([7, 7, 8, 9])
    assert positive_pairs("own", chosen, carried, groups).int().tolist() == torch.eye(4).int().tolist()
    assert positive_pairs("caption", chosen, carried, groups).int().tolist() == [
        [1, 0, 0, 1],  # "red sofa" is true of both red sofas
        [1, 1, 0, 1],  # "sofa" of all three
        [0, 0, 1, 0],
        [1, 0, 0, 1],  # the title that two items share
    ]
    assert positive_pairs("group", chosen, carried, groups).int().tolist()[0] == [1, 1, 0, 1]


@pytest.mark.parametrize("accumulate", [2, 4])
def test_pieces_have_the_whole_batch_s_gradient(tmp_path: Path, accumulate: int) -> None:
    model, _ = load_model(make_model(tmp_path, TINY_VIT))
    model.train()
    batch = _batch(16)
    whole, pieces = copy.deepcopy(model), copy.deepcopy(model)
    loss = backward(whole, batch, accumulate=1, smoothing=0.1, precision="fp32", seed=1)
    same = backward(pieces, batch, accumulate=accumulate, smoothing=0.1, precision="fp32", seed=1)
    assert same.item() == pytest.approx(loss.item(), rel=1e-5)
    for (name, one), (_, other) in zip(whole.named_parameters(), pieces.named_parameters(), strict=True):
        assert one.grad is not None, name
        assert other.grad is not None, name
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-6, msg=name)
    naive = copy.deepcopy(model)
    for start in range(0, 16, 8):  # what plain accumulation would do: fewer negatives, another gradient
        part = Batch(batch.images[start : start + 8], batch.tokens[start : start + 8], batch.positives[:8, :8])
        backward(naive, part, accumulate=1, smoothing=0.1, precision="fp32", seed=1)
    assert not torch.allclose(naive.visual.proj.grad / 2, whole.visual.proj.grad, rtol=0.05)


def test_pieces_count_each_image_once_in_batch_norm(tmp_path: Path) -> None:
    model, _ = load_model(make_model(tmp_path, TINY_RESNET))
    model.train()
    backward(model, _batch(8), accumulate=2, smoothing=0.0, precision="fp32", seed=1)
    counts = {int(tensor) for name, tensor in model.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counts == {2}
    assert all(module.track_running_stats for module in model.modules() if hasattr(module, "track_running_stats"))


def _batch(size: int) -> Batch:
    random = torch.Generator().manual_seed(4)
    tokens = torch.zeros(size, 16, dtype=torch.int64)
    tokens[:, 0], tokens[:, 3] = 49406, 49407
    tokens[:, 1:3] = torch.randint(1000, 2000, (size, 2), generator=random)
    return Batch(torch.randn(size, 3, 32, 32, generator=random), tokens, torch.eye(size, dtype=torch.bool))


def test_decay_touches_matrices_only(tmp_path: Path) -> None:
    model, _ = load_model(make_model(tmp_path / "vit", TINY_VIT))
    groups = {group["name"]: group for group in parameter_groups(model, FinetuneConfig().resolve(SMALL))}
    assert groups["scale"]["names"] == ["logit_scale"]
    for name in ("token_embedding.weight", "positional_embedding", "visual.class_embedding", "ln_final.weight",
                 "visual.positional_embedding", "transformer.resblocks.0.mlp.c_fc.bias"):  # fmt: skip
        assert name in groups["plain"]["names"]
    for name in ("visual.proj", "text_projection", "visual.conv1.weight", "transformer.resblocks.0.mlp.c_fc.weight"):
        assert name in groups["decay"]["names"]
    assert [groups[kind]["weight_decay"] for kind in ("decay", "plain", "scale")] == [0.1, 0.0, 0.0]
    assert sum(len(group["params"]) for group in groups.values()) == len(list(model.parameters()))


def test_the_scale_has_its_own_rate(tmp_path: Path) -> None:
    model, _ = load_model(make_model(tmp_path / "vit", TINY_VIT))
    optimizer = make_optimizer(model, FinetuneConfig(logit_scale_rate=0.1).resolve(SMALL))
    set_rate(optimizer, 0.5)
    assert {group["name"]: group["lr"] for group in optimizer.param_groups} == {
        "decay": 0.5,
        "plain": 0.5,
        "scale": 0.05,
    }


def test_the_rate_rises_then_falls_to_nothing() -> None:
    recipe = FinetuneConfig(learning_rate=1e-3, warmup_share=0.1).resolve(SMALL)
    rates = np.array([learning_rate(step, 200, recipe) for step in range(200)])
    assert rates.argmax() in (19, 20)
    assert rates.max() == pytest.approx(1e-3)
    assert (np.diff(rates[:20]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()
    assert 0 < rates[-1] < 1e-6
    assert learning_rate(0, 10, FinetuneConfig(warmup_share=0.0).resolve(SMALL)) > 0
