"""Command line: `python -m infra.sample_shop --out DIR` renders the shop, `--contact-sheet FILE` shows it."""

from __future__ import annotations

import argparse
from pathlib import Path

from .contact_sheet import write_contact_sheet
from .export import build_shop


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.sample_shop", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder to fill; an interrupted run is completed")
    parser.add_argument("--items", type=int, default=3000, help="listings on day 0 (default 3000)")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another shop (default 7)")
    parser.add_argument("--day", type=int, default=0, help="the shop this many days later (default 0)")
    parser.add_argument("--workers", type=int, help="processes that render (default: one for each core)")
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE", help="also draw about 100 products into FILE")
    arguments = parser.parse_args()
    if arguments.out is None and arguments.contact_sheet is None:
        parser.error("give --out, --contact-sheet, or both")
    return arguments


def main() -> None:
    """Build what the command line asks for and say what was done."""
    arguments = _arguments()
    if arguments.out is not None:
        summary = build_shop(arguments.out, arguments.items, arguments.seed, arguments.day, arguments.workers)
        verb = "is already there" if summary.up_to_date else f"rendered in {summary.seconds:.1f} s"
        broken = sum(summary.defects.values())
        print(f"{summary.out}: {summary.items} listings ({broken} broken on purpose), {summary.images} images, {verb}")
    if arguments.contact_sheet is not None:
        write_contact_sheet(arguments.contact_sheet, arguments.items, arguments.seed, arguments.day)
        print(f"{arguments.contact_sheet}: contact sheet")


if __name__ == "__main__":
    main()
