"""Everything that works around Gradio in this page, each with the upstream thread it waits for.

image_path.py       an upload reaches the app unopened: gradio-app/gradio#9314, gradio-app/gradio#10121
presses.js, .py     presses during a slow answer are all answered: not reported upstream
template_text.py    shop text is never template code: gradio-app/gradio#13299
upload_folder.py    each app has an upload folder of its own: gradio-app/gradio#8098

What guards Gradio's server, rather than the page, is in `app/http/allow_list.py`.
`tests/app/test_gradio_patches.py` says which file to look at when a new Gradio no longer looks as these expect.
"""

from app.page.gradio_patches.image_path import keep_uploads_unopened
from app.page.gradio_patches.upload_folder import use_own_upload_folder


def apply() -> None:
    """Patch Gradio in this process, before the page is built. May be called again."""
    use_own_upload_folder()
    keep_uploads_unopened()
