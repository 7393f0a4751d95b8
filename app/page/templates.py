"""The page's HTML: the Jinja2 templates in ``templates/``. Every value is escaped."""

import itertools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.page import formats
from app.page.gradio_patches.template_text import hide_template_text

_ENVIRONMENT = Environment(
    loader=PackageLoader("app.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters.update({name: getattr(formats, name) for name in formats.FILTERS})
# each answer has a number of its own, so that `press.js` sees it arrive
_ENVIRONMENT.globals.update(run_url=formats.run_url, next_answer=itertools.count(1).__next__)


class Html(str):
    """Rendered HTML: a template inserts it as it is."""

    def __html__(self) -> str:
        return self


def render(template: str, **values: Any) -> Html:
    """HTML of ``templates/<template>.html.j2``, safe to show in a ``gr.HTML``."""
    return Html(hide_template_text(_ENVIRONMENT.get_template(f"{template}.html.j2").render(values)))
