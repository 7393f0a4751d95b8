"""Gives each app an upload folder of its own.

Gradio shares one folder among all apps of a machine and names an upload by its content; an app that stops deletes its
uploads (``delete_cache``), also those that another app was given too (gradio-app/gradio#8098 is nearest).
"""

import atexit
import os
import shutil
import tempfile


def use_own_upload_folder() -> None:
    """Set ``GRADIO_TEMP_DIR`` to a folder that is deleted at exit, unless the operator has set it."""
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="product-search-uploads-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
