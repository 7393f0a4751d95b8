"""Checks what the pages refer to: every path, module and make target they name exists, and so does every linked file.

python -m docs.tools.references
"""

import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: History names what was; everything else names what is.
_PAGES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/**/*.md")
_FOLDERS = "app|benchmarks|deployments|docs|flows|infra|tasks|tests"

_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_PATH = re.compile(rf"(?<![\w/.:-])(?:{_FOLDERS})/[\w./{{}},*-]*")
_MODULE = re.compile(rf"python -m ((?:{_FOLDERS})(?:\.\w+)*)(?![\w.])")
_TARGET = re.compile(r"(?:^|[`\n&;] *)make ([a-z][a-z-]*)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def faults(page: Path) -> Iterator[str]:
    """What the page names and the tree does not have."""
    text = page.read_text()
    code = "\n".join(_CODE.findall(text))
    for path in sorted({match.rstrip(".,") for match in _PATH.findall(code)}):
        if not all(any(ROOT.glob(one)) for one in _spelled_out(path)):
            yield path
    for module in sorted(set(_MODULE.findall(code))):
        path = ROOT.joinpath(*module.split("."))
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
            yield f"python -m {module}"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    yield from (f"make {target}" for target in sorted(set(_TARGET.findall(code)) - targets))
    for link in _LINK.findall(text):
        inside = "://" not in link and not link.startswith(("#", "mailto:"))
        if inside and not (page.parent / link.partition("#")[0]).exists():
            yield f"link to {link}"


def _spelled_out(path: str) -> Iterator[str]:
    """``a/{b,c}`` as ``a/b`` and ``a/c``."""
    parts = re.split(r"\{([^}]*)\}", path)
    for chosen in product(*(part.split(",") if place % 2 else [part] for place, part in enumerate(parts))):
        yield "".join(chosen).rstrip("/")


def main() -> None:
    """Print each fault with its page; any fails."""
    pages = sorted({page for pattern in _PAGES for page in ROOT.glob(pattern)})
    found = [f"{page.relative_to(ROOT)}: {fault} does not exist" for page in pages for fault in faults(page)]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
