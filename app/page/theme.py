"""How the page looks: Gradio's theme, and the style sheets and the scripts of our own."""

from pathlib import Path

import gradio as gr

_HERE = Path(__file__).parent
_PATCHES = _HERE / "gradio_patches"
CSS = [_HERE / "page.css", _HERE / "results.css", _HERE / "about.css"]
#: Run once for each page that is open: it follows the live release.
FOLLOW = (_HERE / "follow.js").read_text(encoding="utf-8")
#: Run once for every piece of HTML that can be pressed.
PRESS = "".join(path.read_text(encoding="utf-8") for path in (_PATCHES / "presses.js", _HERE / "press.js"))


def theme() -> gr.themes.Base:
    """Quiet, one blue, light or dark as the visitor's system is; only fonts that every system has."""
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=system,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        body_background_fill="#f7f8fa",
        body_background_fill_dark="#10161d",
        block_border_width="0px",
        block_shadow="none",
        block_background_fill="transparent",
        button_primary_background_fill="#0b67ac",
        button_primary_background_fill_hover="#095289",
        button_primary_text_color="white",
        button_primary_background_fill_dark="#0b67ac",
        button_primary_background_fill_hover_dark="#0e7bcc",
        block_background_fill_dark="transparent",
        block_border_width_dark="0px",
    )
