"""Hides the characters that Gradio's own templates read.

``gr.HTML`` runs ``{{...}}``, ``${...}`` and backticks as code of its templates (gradio-app/gradio#13299, closed without
a merge), and Jinja's escaping leaves them alone. They are replaced in all that was rendered: no tag of the page needs
one.
"""

_HIDDEN = {"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"}


def hide_template_text(html: str) -> str:
    """The same HTML to a browser, without a character that Gradio's templates could read."""
    for character, reference in _HIDDEN.items():
        html = html.replace(character, reference)
    return html
