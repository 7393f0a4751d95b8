"""The page: Gradio Blocks over the same queries as the API."""

import atexit
import os
import shutil
import tempfile

# Each app has uploads of its own. One that ends deletes its uploads by name, and the name is that of the content:
# another app on this machine would miss what both were given.
if "GRADIO_TEMP_DIR" not in os.environ:
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="product-search-uploads-")
    atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
