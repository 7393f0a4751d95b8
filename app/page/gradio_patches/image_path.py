"""Gives the path of an uploaded image as it came: `app.query.uploads` alone opens visitors' files.

gradio-app/gradio#9314 returns the path for ``type="filepath"``, but still calls ``PIL.Image.open`` on the file first.
The method is replaced on the class, as Gradio builds the component again for a session whose call changes it, and
writes a .pyi file beside the module of every subclass (gradio-app/gradio#10121).
"""

from typing import Any

import gradio as gr


def keep_uploads_unopened() -> None:
    """Let ``gr.Image`` pass on the path. `app.http.allow_list` has checked that it is an upload's."""
    gr.Image.preprocess = _path  # type: ignore[method-assign, assignment]


def _path(field: gr.Image, payload: Any) -> str | None:
    return payload.path if payload is not None else None
