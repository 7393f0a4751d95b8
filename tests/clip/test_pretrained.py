import json
import os
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file, save_file

from tasks.clip.config import ModelConfig
from tasks.clip.folder import CONFIG_FILE, WEIGHTS_FILE, load_model
from tasks.clip.pretrained import materialise
from tasks.schema.errors import ModelUnavailable
from tests.clip.shapes import TINY_VIT, make_model


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    materialise("small", folder)
    return folder


def test_open_clip_itself_loads_the_folder(small: Path) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{small}", require_pretrained=True)
    written = load_file(small / WEIGHTS_FILE)
    assert all(torch.equal(tensor, written[name]) for name, tensor in model.state_dict().items())
    assert model.visual.image_size == (48, 48)
    assert "48" in str(preprocess)
    assert open_clip.get_tokenizer(f"local-dir:{small}")(["a red sofa"]).shape == (1, 24)


def test_same_seed_same_bytes_and_the_caller_s_random_state_stays(small: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    card = materialise("small", tmp_path / "again")
    assert torch.equal(torch.rand(3), expected)
    assert (tmp_path / "again" / WEIGHTS_FILE).read_bytes() == (small / WEIGHTS_FILE).read_bytes()
    assert (tmp_path / "again" / CONFIG_FILE).read_bytes() == (small / CONFIG_FILE).read_bytes()
    assert materialise("small", tmp_path / "other", seed=1)["weights_sha256"] != card["weights_sha256"]


def test_the_card_says_what_the_model_is(tmp_path: Path) -> None:
    card = materialise("small", tmp_path)
    assert card == json.loads((tmp_path / CONFIG_FILE).read_text())["card"]
    assert (card["embed_dim"], card["image_size"], card["random_weights"]) == (128, 48, True)
    assert 3_000_000 < card["parameters"] < 4_000_000


def test_a_folder_is_copied_with_its_weights(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    card = materialise(str(made), tmp_path / "out")
    assert card["name"] == "mine"
    assert card["random_weights"] is False
    assert _same_weights(made, tmp_path / "out")
    again = materialise(f"local-dir:{tmp_path / 'out'}", tmp_path / "third")
    assert again["weights_sha256"] == card["weights_sha256"]


def test_a_folder_with_torch_weights_is_converted(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    expected = load_file(made / WEIGHTS_FILE)
    (made / WEIGHTS_FILE).unlink()
    torch.save(expected, made / "open_clip_pytorch_model.bin")
    materialise(str(made), tmp_path / "out")
    assert all(
        torch.equal(tensor, expected[name]) for name, tensor in load_file(tmp_path / "out" / WEIGHTS_FILE).items()
    )


def test_a_folder_that_runs_code_when_unpickled_is_refused(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    (made / WEIGHTS_FILE).unlink()
    torch.save({"state_dict": _Evil(tmp_path / "ran")}, made / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelUnavailable):
        materialise(str(made), tmp_path / "out")
    assert not (tmp_path / "ran").exists()


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_checkpoint_file_of_open_clip_train(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "tiny-test-arch.json"
    config.write_text(json.dumps(TINY_VIT))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [*open_clip.factory._MODEL_CONFIG_PATHS, config])
    open_clip.factory._rescan_model_configs()
    weights = load_file(make_model(tmp_path / "mine", TINY_VIT) / WEIGHTS_FILE)
    file = tmp_path / f"epoch_3.{suffix}"
    if suffix == "pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, file)
    else:
        save_file(weights, str(file))
    card = materialise(f"tiny-test-arch={file}", tmp_path / "out")
    assert card["name"] == "tiny-test-arch/epoch_3"
    assert _same_weights(tmp_path / "mine", tmp_path / "out")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nonsense", "names no weights"),
        ("ViT-B-33/openai", "did you mean ViT-B-32"),
        ("ViT-B-32/openia", "openai"),
        ("ViT-B-32=/nowhere/weights.pt", "is not there"),
        ("/nowhere/model", "no model folder"),
        ("local-dir:/nowhere/model", "no model folder"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(spec: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        materialise(spec, tmp_path / "out")
    assert not (tmp_path / "out").exists()


TRANSFORMERS = ("transformers", "ViT-B-32/openai", "hf-hub:ORG/NAME", "convert")


def transformers_tensors(prefix: str = "") -> dict[str, torch.Tensor]:
    names = ("text_model.embeddings.token_embedding.weight", "vision_model.embeddings.class_embedding", "logit_scale")
    return {prefix + name: torch.zeros(4) for name in names}


@pytest.mark.parametrize("prefix", ["", "clip."])
@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_a_file_of_transformers_is_recognised(ending: str, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    tensors = transformers_tensors(prefix)
    save_file(tensors, path) if ending == "safetensors" else torch.save(tensors, path)
    _refused(f"ViT-B-32={path}", tmp_path, (*TRANSFORMERS, "text_model.* and vision_model.*"))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_transformers_is_recognised(weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "siglip"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["SiglipModel"], "model_type": "siglip"}')
    (folder / weights).write_bytes(b"")
    _refused(str(folder), tmp_path, (*TRANSFORMERS, "SiglipModel"))


def test_a_folder_of_sentence_transformers_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "st").mkdir()
    (tmp_path / "st" / "modules.json").write_text('[{"idx": 0, "path": "0_CLIPModel"}]')
    _refused(str(tmp_path / "st"), tmp_path, ("sentence-transformers", "ViT-B-32/openai"))


def test_an_adapter_is_recognised(tmp_path: Path) -> None:
    save_file({"base_model.model.visual.proj.lora_A.weight": torch.zeros(2)}, tmp_path / "adapter_model.safetensors")
    _refused(f"ViT-B-32={tmp_path / 'adapter_model.safetensors'}", tmp_path, ("adapter", "merge"))


class _Scripted(torch.nn.Module):
    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.visual = torch.nn.Module()
        self.visual.proj = torch.nn.Parameter(weights["visual.proj"])
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels @ self.visual.proj


def test_a_torchscript_archive_is_recognised_and_its_conversion_told(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.script(_Scripted({"visual.proj": torch.ones(3, 2)})).save(path)
    told = _refused(f"ViT-B-32={path}", tmp_path, ("TorchScript", "ViT-B-32/openai", "-quickgelu=weights.safetensors"))
    assert "weights_only" not in told
    command = told[told.index("safetensors.torch.save_file(") :].replace("FILE", repr(str(path)))
    command = command.replace("'weights.safetensors'", repr(str(tmp_path / "weights.safetensors")))
    exec(command, {"safetensors": safetensors, "torch": torch})
    assert list(load_file(tmp_path / "weights.safetensors")) == ["visual.proj"]


def test_a_repository_of_the_hub_without_its_mark_is_told_the_mark(tmp_path: Path) -> None:
    _refused("laion/CLIP-ViT-B-32", tmp_path, ("hf-hub:laion/CLIP-ViT-B-32",))


def _refused(spec: str, folder: Path, words: tuple[str, ...]) -> str:
    with pytest.raises(ModelUnavailable) as raised:
        materialise(spec, folder / "out")
    for word in words:
        assert word in str(raised.value)
    return str(raised.value)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    config = json.loads((made / CONFIG_FILE).read_text())
    config["model_cfg"]["embed_dim"] = 48
    (made / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="do not load"):
        load_model(made)


def test_a_folder_without_weights_never_yields_random_ones(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    (made / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelUnavailable, match="holds no weights"):
        load_model(made)


def test_nan_in_the_weights_is_refused(tmp_path: Path) -> None:
    made = make_model(tmp_path / "mine", TINY_VIT)
    weights = load_file(made / WEIGHTS_FILE)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, str(made / WEIGHTS_FILE))
    with pytest.raises(ModelUnavailable, match="first 'visual"):
        load_model(made)


def _materialise_offline(specs: list[str], environment: dict[str, str], out: Path) -> list[tuple[str, float]]:
    """What each of ``specs`` said and how long it took, in one process of its own: the hub reads its settings once."""
    code = (
        "import json, sys, time\nfrom pathlib import Path\nfrom tasks.clip.pretrained import materialise\n"
        f"for number, spec in enumerate({specs!r}):\n"
        "    start = time.time()\n"
        f"    try:\n        said = str(materialise(spec, Path({str(out)!r}, str(number))))\n"
        "    except Exception as error:\n        said = f'{type(error).__name__} {error}'\n"
        "    print(json.dumps([said, time.time() - start]))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(said, seconds) for said, seconds in map(json.loads, ran.stdout.strip().splitlines())]


def test_without_a_network_one_error_comes_soon_and_says_what_to_do(tmp_path: Path) -> None:
    # Port 9 of the loopback refuses at once: no test waits for a name server.
    environment = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    specs = [ModelConfig().pretrained, "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"]
    words = (str(tmp_path), "127.0.0.1:9", "ARCH=/path", "HF_HOME", "HF_HUB_OFFLINE", "'small'")
    for spec, (said, seconds) in zip(specs, _materialise_offline(specs, environment, tmp_path), strict=True):
        assert said.startswith("ModelUnavailable")
        for word in (spec.split("/")[-1], *words):
            assert word in said
        assert seconds < 15


def test_weights_in_the_hub_s_cache_need_no_network(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--shop--tiny" / "snapshots" / ("a" * 40)
    make_model(snapshot, TINY_VIT)
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    ((said, seconds),) = _materialise_offline(["hf-hub:shop/tiny"], environment, tmp_path / "out")
    assert "'name': 'hf-hub:shop/tiny'" in said
    assert seconds < 60
    assert _same_weights(snapshot, tmp_path / "out" / "0")


def _same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first / WEIGHTS_FILE), load_file(second / WEIGHTS_FILE)
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())
