import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

from tasks.clip.config import CaptionShares, FinetuneConfig
from tasks.clip.data import TrainingData
from tasks.clip.encoder import Encoder
from tasks.clip.finetune import SCORE, finetune
from tasks.clip.folder import WEIGHTS_FILE, load_model
from tasks.clip.training_log import TrainingLog
from tasks.schema.errors import ArtifactCorrupt, ConfigError
from tests.clip.shapes import TINY_RESNET, TINY_VIT, make_model, shapes

QUICK: dict[str, Any] = {"steps": 20, "batch_size": 16, "evaluations": 4, "save_every_steps": 10}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("resnet"), TINY_RESNET)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("vit"), TINY_VIT)


def test_it_learns_64_shapes(resnet: Path, tmp_path: Path) -> None:
    data, said = shapes(), []
    config = FinetuneConfig.small(
        steps=150, batch_size=64, flip=False, evaluations=3, jitter=0, captions=CaptionShares(title=1)
    )
    log = finetune(
        resnet, data, data, config, tmp_path / "out", progress=lambda share, line: said.append((share, line))
    )
    assert log.best_recall is not None
    assert log.best_recall > 0.8
    assert log.points[-1]["loss"] < log.points[0]["loss"] / 2
    encoder = Encoder.load(tmp_path / "out", device="cpu")
    scores = encoder.encode_texts([kinds["title"] for kinds in data.captions]) @ encoder.encode_images(data.images).T
    assert (scores.argmax(1) == np.arange(64)).mean() == pytest.approx(log.best_recall, abs=0.05)
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert said[-1][0] == 1.0
    assert "R@1" in said[-1][1]
    assert "s left" in said[-1][1]


def test_open_clip_loads_what_was_written(resnet: Path, tmp_path: Path) -> None:
    finetune(resnet, shapes(), shapes(16), FinetuneConfig.small(**QUICK), tmp_path / "out")
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'out'}", require_pretrained=True)
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    card = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())["card"]
    assert card["random_weights"] is False
    assert card["weights_sha256"]
    base, _ = load_model(resnet)
    assert not torch.equal(base.token_embedding.weight, model.token_embedding.weight)


def test_the_log_is_json_and_reads_back(vit: Path, tmp_path: Path) -> None:
    log = finetune(vit, shapes(), shapes(16), FinetuneConfig.small(**QUICK), tmp_path / "out")
    assert TrainingLog(**json.loads(log.model_dump_json())) == log
    assert (log.steps, log.batch_size, log.items, log.stopped_early) == (20, 16, 64, False)
    assert [entry["step"] for entry in log.evaluations] == [5, 10, 15, 20]
    assert log.best_recall == max(entry[SCORE] for entry in log.evaluations)
    assert log.seconds > 0
    assert log.pictures_per_second > 0
    assert log.recipe["recipe"] == "small"
    assert log.recipe["learning_rate"] == 3e-3


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_same_seed_same_weights(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base = request.getfixturevalue(kind)
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        torch.manual_seed(hash(name) % 1000)  # whatever ran before must not matter
        finetune(base, shapes(), shapes(8), FinetuneConfig.small(**QUICK, seed=seed), tmp_path / name)
    assert _difference(tmp_path / "one", tmp_path / "two") == 0
    assert _difference(tmp_path / "one", tmp_path / "three") > 1e-3


@pytest.mark.parametrize(("kind", "accumulate"), [("vit", 1), ("resnet", 1), ("vit", 2)])
def test_a_resumed_run_ends_where_an_undisturbed_one_does(
    kind: str, accumulate: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    base, config = request.getfixturevalue(kind), FinetuneConfig.small(**QUICK, accumulate=accumulate)
    whole = finetune(base, shapes(), shapes(8), config, tmp_path / "whole")

    class Killed(Exception):
        pass

    def save(folder: Path, step: int) -> None:
        shutil.copytree(folder, tmp_path / "saved")
        raise Killed

    with pytest.raises(Killed):
        finetune(base, shapes(), shapes(8), config, tmp_path / "killed", save=save)
    assert not (tmp_path / "killed").exists()
    torch.manual_seed(99)
    resumed = finetune(base, shapes(), shapes(8), config, tmp_path / "resumed", resume=tmp_path / "saved")
    assert resumed.resumed_at == [10]
    assert _difference(tmp_path / "whole", tmp_path / "resumed") == 0
    assert resumed.evaluations == whole.evaluations
    assert resumed.best_step == whole.best_step
    assert resumed.points == whole.points


def test_the_checkpoint_holds_the_best_weights_so_far(vit: Path, tmp_path: Path) -> None:
    config = FinetuneConfig.small(**{**QUICK, "save_every_steps": 5})
    saved: list[tuple[int, bool]] = []

    def save(folder: Path, step: int) -> None:
        state = json.loads((folder / "state.json").read_text())
        saved.append((step, (folder / "best.safetensors").exists()))
        assert state["step"] == step
        assert not list(folder.glob("*.partial"))

    finetune(vit, shapes(), shapes(8), config, tmp_path / "out", save=save)
    assert saved == [(5, True), (10, True), (15, True)]


def test_a_checkpoint_of_other_work_is_refused(vit: Path, tmp_path: Path) -> None:
    config = FinetuneConfig.small(**QUICK)
    finetune(
        vit,
        shapes(),
        shapes(8),
        config,
        tmp_path / "out",
        save=lambda folder, step: shutil.copytree(folder, tmp_path / "saved") and None,
    )
    for data, changed in ((shapes(60), config), (shapes(), FinetuneConfig.small(**QUICK, learning_rate=1e-3))):
        with pytest.raises(ConfigError, match="other work"):
            finetune(vit, data, shapes(8), changed, tmp_path / "again", resume=tmp_path / "saved")
    (tmp_path / "saved" / "optimizer.safetensors").write_bytes(b"cut off")
    with pytest.raises(ArtifactCorrupt, match="start without it"):
        finetune(vit, shapes(), shapes(8), config, tmp_path / "again", resume=tmp_path / "saved")


def test_the_best_weights_are_written_and_patience_stops(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.clip import finetune as module

    recalls, seen = iter([0.1, 0.3, 0.3, 0.2, 0.9]), []

    def measure(model: torch.nn.Module, *rest: Any) -> dict[str, float]:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {SCORE: next(recalls)}

    monkeypatch.setattr(module, "measure_recall", measure)
    config = FinetuneConfig.small(steps=20, batch_size=16, evaluations=5, patience=2)
    log = finetune(vit, shapes(), shapes(8), config, tmp_path / "out")
    assert log.stopped_early
    assert (log.steps, log.best_step, log.best_recall) == (16, 8, 0.3)
    written = load_file(tmp_path / "out" / WEIGHTS_FILE)
    table = written.pop("token_embedding.weight")
    assert all(torch.equal(written[name], seen[1][name]) for name in written)
    learnt = seen[1]["token_embedding.weight"]  # has only the rows that are read
    assert len(learnt) < len(table)
    assert all((table == row).all(dim=1).any() for row in learnt)


def test_without_a_val_split_the_last_weights_win(vit: Path, tmp_path: Path) -> None:
    log = finetune(vit, shapes(), shapes(0), FinetuneConfig.small(**QUICK), tmp_path / "out")
    assert log.evaluations == []
    assert log.best_recall is None
    assert log.best_step == 20


def test_a_diverging_run_says_what_to_lower(vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.clip import finetune as module

    monkeypatch.setattr(module, "learning_rate", lambda step, steps, recipe: 1e30)
    with pytest.raises(ConfigError, match="lower learning_rate"):
        finetune(vit, shapes(), shapes(8), FinetuneConfig.small(**QUICK), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_learns_the_same_as_with_the_whole_table_and_all_padding(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    # Few steps: each amplifies what the order of additions rounds differently, which depends on the processor.
    recipe = {**QUICK, "steps": 12, "accumulate": accumulate, "precision": "fp32"}
    data, config = shapes(), FinetuneConfig.small(**recipe)
    quick = finetune(vit, data, shapes(8), config, tmp_path / "quick")
    for module in ("texts", "vocabulary"):
        monkeypatch.setattr(f"tasks.clip.{module}.reads_at_end", lambda model: False)
    plain = finetune(vit, data, shapes(8), config, tmp_path / "plain")
    assert quick.points[0]["loss"] == pytest.approx(plain.points[0]["loss"], rel=1e-6)
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose([p[name] for p in quick.points], [p[name] for p in plain.points], rtol=1e-3)
    assert _difference(tmp_path / "quick", tmp_path / "plain") < 1e-3
    base, learnt = (load_file(folder / WEIGHTS_FILE)["token_embedding.weight"] for folder in (vit, tmp_path / "quick"))
    unread = torch.ones(len(base), dtype=torch.bool)
    unread[open_clip.tokenize([text for kinds in data.captions for text in kinds.values()]).unique()] = False
    assert torch.equal(base[unread], learnt[unread])
    assert not torch.equal(base[~unread], learnt[~unread])


def test_fewer_items_than_a_batch_still_train(vit: Path, tmp_path: Path) -> None:
    log = finetune(vit, shapes(5), shapes(3), FinetuneConfig.small(steps=6), tmp_path / "out")
    assert log.batch_size == 5
    with pytest.raises(ConfigError, match="1 training items"):
        finetune(vit, shapes(1), shapes(3), FinetuneConfig.small(steps=6), tmp_path / "out")


def test_another_image_size_is_written_into_the_folder(vit: Path, resnet: Path, tmp_path: Path) -> None:
    for base in (vit, resnet):
        config = FinetuneConfig.small(steps=6, batch_size=16, image_size=48)
        finetune(base, shapes(), shapes(8), config, tmp_path / "out")
        encoder = Encoder.load(tmp_path / "out", device="cpu")
        assert encoder.image_size == 48
        assert encoder.encode_images(shapes(2).images).shape == (2, 32)


def test_images_over_the_memory_bound_train_the_same(vit: Path, tmp_path: Path) -> None:
    for name, memory in (("kept", 4096), ("fresh", 0)):
        finetune(vit, shapes(), shapes(8), FinetuneConfig.small(**QUICK, picture_memory_mb=memory), tmp_path / name)
    assert _difference(tmp_path / "kept", tmp_path / "fresh") == 0


def test_the_scale_stays_within_its_bound(vit: Path, tmp_path: Path) -> None:
    config = FinetuneConfig.small(**QUICK, logit_scale_max=14.5, captions=CaptionShares(title=1))
    log = finetune(vit, shapes(), shapes(8), config, tmp_path / "out")
    assert max(point["logit_scale"] for point in log.points) <= 14.5001


def _difference(first: Path, second: Path) -> float:
    one, other = load_file(first / WEIGHTS_FILE), load_file(second / WEIGHTS_FILE)
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def test_training_data_is_what_the_contract_says() -> None:
    data = shapes(2)
    assert isinstance(data, TrainingData)
    assert len(data) == 2
