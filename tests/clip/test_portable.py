"""Models for others: a hub's folder, and a checkpoint in one file."""

import json
import os
import shutil
import subprocess
import sys
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
    return folder


def test_a_hub_s_folder_has_what_open_clip_reads_and_nothing_of_this_machine(small: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(small, source)
    (source / "merges.txt").write_text("a tokenizer's own file")
    out = tmp_path / "out"
    out.mkdir()
    write_hub_folder(source, out)
    assert {path.name for path in out.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, "merges.txt"}
    assert json.loads((out / CONFIG_FILE).read_text()).keys() == {"model_cfg", "preprocess_cfg"}
    assert (out / WEIGHTS_FILE).read_bytes() == (small / WEIGHTS_FILE).read_bytes()


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


def test_once_it_is_on_a_hub_it_loads_by_its_name(small: Path, tmp_path: Path) -> None:
    """As far as that goes without a network: from the hub's own cache, in a process that reads its settings anew."""
    repository = tmp_path / "hub/models--shop--tiny"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("a" * 40)
    write_hub_folder(small, snapshot)
    code = (
        "import open_clip\nmodel, _, preprocess = open_clip.create_model_and_transforms('hf-hub:shop/tiny')\n"
        "tokens = open_clip.get_tokenizer('hf-hub:shop/tiny')(['red mug'])\n"
        "print(model.eval().encode_text(tokens)[0].tolist())"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    model = open_clip.create_model(f"local-dir:{small}").eval()
    expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{small}")(["red mug"]))[0].tolist()
    assert json.loads(ran.stdout.strip().splitlines()[-1]) == pytest.approx(expected, abs=1e-5)


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
