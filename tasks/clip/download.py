"""Download weights: from the cache, else by one bounded attempt, else one error that says what to do."""

import logging
import time
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from open_clip.pretrained import download_pretrained_from_url

from tasks.clip.folder import CONFIG_FILE, first_line
from tasks.schema.errors import ModelUnavailable

#: Time to the first answer of a server. A download itself may take any time while it makes progress.
PROBE_SECONDS = 6.0
#: Files of a tokenizer from the hub; absent for CLIP's own tokenizer.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")

log = logging.getLogger(__name__)


def fetch_tag(name: str, settings: dict[str, Any]) -> Path:
    """Local file of the weights behind an OpenCLIP tag (``settings``: open_clip's entry). Raises ModelUnavailable."""
    tried: list[str] = []
    if settings.get("hf_hub"):
        repo, _, file = settings["hf_hub"].rpartition("/")
        found = _fetch_file(repo, (file,) if file else _WEIGHTS, tried)
        if found:
            return found
    if settings.get("url"):
        found = _fetch_url(settings["url"], tried)
        if found:
            return found
    raise _unavailable(name, tried)


def fetch_hub_folder(repo: str) -> Path:
    """Local snapshot folder of an OpenCLIP repository on the hub. Raises ModelUnavailable."""
    tried: list[str] = []
    config = _fetch_file(repo, (CONFIG_FILE,), tried)
    weights = _fetch_file(repo, _WEIGHTS, tried) if config else None
    if config is None or weights is None:
        raise _unavailable(f"hf-hub:{repo}", tried)
    for name in TOKENIZER_FILES:
        _fetch_file(repo, (name,), [])
    return config.parent


def _fetch_file(repo: str, names: tuple[str, ...], tried: list[str]) -> Path | None:
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repo, name, local_files_only=True))
        except (LocalEntryNotFoundError, OSError, ValueError):
            continue
    tried.append(f"the cache {constants.HF_HUB_CACHE} for {repo} (HF_HOME moves it)")
    if constants.HF_HUB_OFFLINE:
        tried.append("no download, because HF_HUB_OFFLINE is set")
        return None
    fault = _probe(constants.ENDPOINT)
    if fault:
        tried.append(f"the hub at {constants.ENDPOINT}: {fault}")
        return None
    return _download(repo, names, tried)


def _download(repo: str, names: tuple[str, ...], tried: list[str]) -> Path | None:
    for name in names:
        try:
            started = time.monotonic()
            path = Path(huggingface_hub.hf_hub_download(repo, name, etag_timeout=PROBE_SECONDS))
            log.info("downloaded %s of %s in %.0f s", name, repo, time.monotonic() - started)
            return path
        except EntryNotFoundError:
            tried.append(f"{repo}/{name}: not in the repository")
        except (GatedRepoError, RepositoryNotFoundError) as error:
            tried.append(f"{repo}: {first_line(error)} (a private or gated repository needs HF_TOKEN)")
            return None
        except Exception as error:
            tried.append(f"{repo}/{name}: {first_line(error)}")
            return None
    return None


def _fetch_url(url: str, tried: list[str]) -> Path | None:
    cached = Path("~/.cache/clip").expanduser() / url.rsplit("/", 1)[-1]
    if not cached.is_file():
        if constants.HF_HUB_OFFLINE:
            return None
        fault = _probe(url)
        if fault:
            tried.append(f"{url}: {fault}")
            return None
    try:
        return Path(download_pretrained_from_url(url))
    except Exception as error:
        tried.append(f"{url}: {first_line(error)}")
        return None


def _probe(url: str) -> str | None:
    """None if a server answers at ``url``, else the reason. Avoids the hub client's minutes of retries."""
    try:
        httpx.head(url, timeout=PROBE_SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__}: {first_line(error)})"
    return None


def _unavailable(name: str, tried: list[str]) -> ModelUnavailable:
    return ModelUnavailable(
        f"the weights {name!r} are not here and cannot be downloaded. Tried: {'; '.join(dict.fromkeys(tried))}. "
        "Either give a folder with open_clip_config.json and open_clip_model.safetensors, or a checkpoint file as "
        "ARCH=/path/to/weights.safetensors, or download once on a machine with a network and set HF_HOME to that cache "
        "(HF_HUB_OFFLINE=1 then keeps it local), or use 'small', which needs no download"
    )
