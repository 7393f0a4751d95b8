"""The installed Gradio still looks as `app.page.gradio_patches` expects, and shop text is never template code."""

from __future__ import annotations

import inspect
from pathlib import Path

import gradio as gr
import pytest
from gradio import component_meta, image_utils
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import UnidentifiedImageError

from app.page.notices import message

PATCHES = "app/page/gradio_patches"
ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
CHANGED = "Gradio has changed: look whether {} is still needed and still works"


def assets_with(pattern: str, word: str) -> list[str]:
    return [path.name for path in ASSETS.glob(pattern) if word in path.read_text(encoding="utf-8", errors="ignore")]


@pytest.mark.parametrize(
    ("patch", "pattern", "word"),
    [
        ("presses.js", "Blocks-*.js", "always_last"),
    ],
)
def test_the_client_still_speaks_of_what_a_script_works_around(patch: str, pattern: str, word: str) -> None:
    assert assets_with(pattern, word), CHANGED.format(f"{PATCHES}/{patch}")


def test_gradio_still_opens_an_upload_before_it_passes_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no image")
    payload = ImageData(path=str(tmp_path / "torn.png"), orig_name="torn.png")
    changed = CHANGED.format(f"{PATCHES}/image_path.py")
    try:
        image_utils.preprocess_image(payload, str(tmp_path), format="webp", image_mode=None, type="filepath")
    except UnidentifiedImageError:
        pass
    else:
        pytest.fail(changed)
    assert "create_or_modify_pyi" in inspect.getsource(component_meta.ComponentMeta.__new__), changed


def test_gradio_still_takes_its_upload_folder_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert get_upload_folder() == str(tmp_path), CHANGED.format(f"{PATCHES}/upload_folder.py")


def test_html_is_still_drawn_by_a_template() -> None:
    template = inspect.signature(gr.HTML).parameters["html_template"].default
    assert template == "${value}", CHANGED.format(f"{PATCHES}/template_text.py")


def test_text_is_shown_as_text_and_never_as_markup_or_template_code() -> None:
    html = message("<b>${1+1}</b>", "{{this}} `x` \"quoted\" & 'single'")
    assert "&lt;b&gt;&#36;&#123;1+1&#125;&lt;/b&gt;" in html and "&amp; &#39;single&#39;" in html
    assert not set("{}$`") & set(html)
