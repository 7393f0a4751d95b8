"""Models for others: a hub's folder, and a checkpoint in one file."""

import json
from pathlib import Path

import open_clip
import pytest
import torch

from tasks.clip.folder import CONFIG_FILE, WEIGHTS_FILE
from tasks.clip.portable import base_model, save_checkpoint, write_hub_folder
from tasks.clip.pretrained import materialise


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    materialise("small", folder)
    (folder / "training_log.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def test_a_hub_s_folder_has_what_open_clip_reads_and_nothing_of_this_machine(small: Path, tmp_path: Path) -> None:
    write_hub_folder(small, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, "tokenizer_config.json"}
    assert json.loads((tmp_path / CONFIG_FILE).read_text()).keys() == {"model_cfg", "preprocess_cfg"}
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (small / WEIGHTS_FILE).read_bytes()


def test_a_checkpoint_is_read_without_code_by_both_its_names(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(small, path, {"config": {"model": {"arch": "any", "pretrained": None}}, "global_step": 7})
    assert path.stat().st_size < 1.1 * (small / WEIGHTS_FILE).stat().st_size, "the weights are in it once"
    stored = torch.load(path, weights_only=True)
    assert stored["global_step"] == 7 and stored["config"]["model"]["arch"] == "any"
    model = open_clip.create_model(f"local-dir:{small}")
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.nn.init.zeros_(model.logit_scale)
    model.load_state_dict(stored["model_state"], strict=True)
    torch.nn.init.zeros_(model.logit_scale)
    open_clip.load_checkpoint(model, str(path))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("ViT-B-32:openai", "timm/vit_base_patch32_clip_224.openai"),
        ("hf-hub:Marqo/marqo-fashionSigLIP", "Marqo/marqo-fashionSigLIP"),
        ("small", None),
        ("", None),
        ("local-dir:model", None),
        ("/data/ViT-B-32/model", None),
        ("ViT-B-32=/data/weights.pt", None),
    ],
)
def test_the_base_is_named_where_a_hub_has_it(spec: str, expected: str | None) -> None:
    assert base_model(spec) == expected
