"""The page: Gradio Blocks over the same queries as the API."""
