"""Hooks of mkdocs: the pages of the repository's root join the site, and links lead where they do on GitHub."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: Where pages from outside docs/ stand in the site.
_OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "license.md",
    "benchmarks/README.md": "benchmarks.md",
}
_INSIDE = {site: source for source, site in _OUTSIDE.items()}
#: What a browser fetches by itself.
_LOADED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="?(https?://[^"> ]+)""")
_LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(?=[#)])")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, site in _OUTSIDE.items():
        text = (ROOT / source).read_text()
        files.append(
            File.generated(
                config, site, content=text if source.endswith(".md") else f"# {source}\n\n```text\n{text}```\n"
            )
        )
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Point links at the site's pages: they are written for the repository's folders."""
    site = page.file.src_uri
    folder = posixpath.dirname(_INSIDE.get(site, f"docs/{site}"))

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[0]))
        target = _OUTSIDE.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(site) or ".")

    return _LINK.sub(moved, markdown)


def on_post_page(output: str, *, page: Page, **_: Any) -> None:
    """Refuse a page that loads anything from elsewhere."""
    if found := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads {found[1]}: the site has to work without a network")
