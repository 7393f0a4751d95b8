"""An Amazon Berkeley Objects export as listings: language-tagged JSON lines and a table of pictures.

Layout and field names: https://amazon-berkeley-objects.s3.amazonaws.com/README.md
"""

import csv
import gzip
import io
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tasks.catalog import text
from tasks.catalog.categories import class_of, node_path, type_words
from tasks.catalog.config import CatalogConfig
from tasks.catalog.listing import Listing, Reject, SourceRows
from tasks.schema.errors import CatalogError, SourceMissing
from tasks.schema.files import SourceFiles

LISTINGS_FOLDER = "listings/metadata"
IMAGES_TABLE = "images/metadata/images.csv.gz"

#: Types whose model name is what the product is made for (a phone), not what it is.
_MODEL_OF_ANOTHER = {"CELLULAR_PHONE_CASE", "SCREEN_PROTECTOR", "PORTABLE_ELECTRONIC_DEVICE_COVER"}
_ATTRIBUTE_FIELDS = (
    "style", "model_name", "model_number", "model_year", "finish_type", "item_shape", "fabric_type", "country",
    "domain_name", "marketplace",
)  # fmt: skip
_SEVERAL = 12  # bullets that are read of one listing


@dataclass(slots=True)
class _Line:
    row: int
    source: str
    entry: dict[str, Any]
    language_rank: int


def read_abo(config: CatalogConfig, files: SourceFiles) -> SourceRows:
    """Every listing of the export once, in the preferred language, or as a reject.

    An item sold on several marketplaces has a line for each: they fold into one. Raises CatalogError when the
    folder holds no export.
    """
    names = _listing_files(config, files)
    lines, rejects, rows = _lines(names, files, config)
    kept, folded, repeated = _one_per_item(lines)
    rejects += repeated
    paths = _picture_paths(files, {str(line.entry.get("main_image_id")) for line in kept})
    results = [_listing(line, paths, config) for line in kept]
    listings = [result for result in results if isinstance(result, Listing)]
    rejects += [result for result in results if isinstance(result, Reject)]
    _settle_classes(listings, config)
    facts: dict[str, object] = {"listing_files": len(names), "folded_marketplaces": folded}
    return SourceRows(listings, rejects, rows, facts)


def _listing_files(config: CatalogConfig, files: SourceFiles) -> list[str]:
    try:
        found = [name for name in files.list(LISTINGS_FOLDER) if name.endswith((".json.gz", ".json"))]
    except SourceMissing:
        found = []
    if not found:
        raise CatalogError(
            f"{config.source} is no ABO export: expected {LISTINGS_FOLDER}/listings_*.json.gz below it. "
            "For a table, name the csv, tsv, parquet or jsonl file itself."
        )
    return found


def _lines(names: Sequence[str], files: SourceFiles, config: CatalogConfig) -> tuple[list[_Line], list[Reject], int]:
    """Lines that name an item, with the rank of their language; what is wrong with the others; how many there are."""
    lines: list[_Line] = []
    rejects: list[Reject] = []
    row = -1
    for name in names:
        for at, raw in enumerate(_unpacked(name, files.read(name)).split(b"\n"), 1):
            if not raw.strip():
                continue
            row += 1
            result = _line(row, f"{name}:{at}", raw, config.languages)
            if isinstance(result, Reject):
                rejects.append(result)
            else:
                lines.append(result)
    return lines, rejects, row + 1


def _unpacked(name: str, data: bytes) -> bytes:
    if not name.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogError(f"{name} is not a whole gzip file ({error}): copy it again.") from error


def _line(row: int, source: str, raw: bytes, languages: Sequence[str]) -> _Line | Reject:
    try:
        entry = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Reject(row, "", "not_utf8", f"byte {raw[error.start]:#04x} at {error.start} of the line", source)
    except (ValueError, RecursionError) as error:
        return Reject(row, "", "malformed_row", f"not JSON: {error}", source)
    if not isinstance(entry, dict):
        return Reject(row, "", "malformed_row", f"not a JSON object: {text.showable(repr(entry))}", source)
    item_id = text.word(text.cell_text(entry.get("item_id")))
    if text.has_stray_bytes(item_id) or text.has_stray_bytes(_tagged(entry, "item_name", languages)[0]):
        return Reject(row, text.showable(item_id), "not_utf8", "half a surrogate pair in id or title", source)
    if not item_id:
        return Reject(row, "", "missing_id", f"item_id is {entry.get('item_id')!r}", source)
    entry["item_id"] = item_id
    return _Line(row, source, entry, _rank(_tagged(entry, "item_name", languages)[1], languages))


def _one_per_item(lines: Sequence[_Line]) -> tuple[list[_Line], int, list[Reject]]:
    """The line to keep of each item, how many lines of other marketplaces folded into it, and true repetitions.

    Kept is a line with title and picture, in the preferred language, from the earliest row.
    """
    by_item: dict[str, list[_Line]] = defaultdict(list)
    rejects: list[Reject] = []
    first: dict[tuple[str, str], int] = {}
    for line in lines:
        item_id, domain = line.entry["item_id"], str(line.entry.get("domain_name"))
        if (item_id, domain) in first:
            detail = f"row {first[item_id, domain]} has the same id {item_id!r} on {domain}"
            rejects.append(Reject(line.row, text.showable(item_id), "duplicate_id", detail, line.source))
            continue
        first[item_id, domain] = line.row
        by_item[item_id].append(line)
    kept = [min(same, key=_preference) for same in by_item.values()]
    kept.sort(key=lambda line: line.row)
    return kept, sum(len(same) - 1 for same in by_item.values()), rejects


def _preference(line: _Line) -> tuple[bool, int, int]:
    incomplete = not line.entry.get("item_name") or not line.entry.get("main_image_id")
    return incomplete, line.language_rank, line.row


def _picture_paths(files: SourceFiles, wanted: set[str]) -> dict[str, str]:
    """Path of each wanted image_id, relative to the folder of its size."""
    try:
        data = _unpacked(IMAGES_TABLE, files.read(IMAGES_TABLE))
    except SourceMissing as error:
        raise CatalogError(f"The ABO export has no {IMAGES_TABLE}, which says where its pictures lie.") from error
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    missing = {"image_id", "path"} - set(rows.fieldnames or ())
    if missing:
        raise CatalogError(f"{IMAGES_TABLE} has no column {sorted(missing)}; found {rows.fieldnames}.")
    return {row["image_id"]: row["path"] for row in rows if row["image_id"] in wanted and row["path"]}


def _listing(line: _Line, paths: Mapping[str, str], config: CatalogConfig) -> Listing | Reject:
    entry, languages = line.entry, config.languages
    title, language = _tagged(entry, "item_name", languages)
    item_id, image_id = entry["item_id"], text.word(text.cell_text(entry.get("main_image_id")))
    if not text.title(title):
        return Reject(line.row, text.showable(item_id), "missing_title", f"item_name is {title!r}", line.source)
    if not image_id:
        detail = f"main_image_id is {entry.get('main_image_id')!r}"
        return Reject(line.row, text.showable(item_id), "missing_picture", detail, line.source)
    path = paths.get(image_id, "")
    if not path or ".." in path.split("/"):
        reason = "picture_outside_root" if path else "picture_not_found"
        detail = f"main_image_id {image_id!r} has the path {path!r} in {IMAGES_TABLE}"
        return Reject(line.row, text.showable(item_id), reason, text.showable(detail), line.source)
    raw_type = _first_value(entry, "product_type")
    foreign = line.language_rank >= len(languages)
    return Listing(
        row=line.row,
        source=line.source,
        item_id=item_id,
        title=text.title(title),
        image=f"images/{config.abo_images}/{path.lstrip('/')}",
        description=_bullets(entry, languages),
        brand=text.word(_tagged(entry, "brand", languages)[0]),
        category=node_path([node for node in _as_list(entry.get("node")) if isinstance(node, dict)]),
        product_type=type_words(raw_type),
        color=_color(entry, languages),
        material=text.word(_tagged(entry, "material", languages)[0]),
        pattern=text.word(_tagged(entry, "pattern", languages)[0]),
        language=language.replace("_", "-"),
        design="" if raw_type in _MODEL_OF_ANOTHER else _model(entry, languages),
        foreign=foreign,
        unspoken=_unspoken(entry, languages),
        attributes=_attributes(entry, languages),
    )


def _settle_classes(listings: Sequence[Listing], config: CatalogConfig) -> None:
    """Give each listing its class.

    The browse tree of another marketplace is in its language. Such a listing takes the class that most listings of its
    type have in the preferred languages; one without any path likewise.
    """
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for listing in listings:
        if listing.category and not listing.foreign:
            votes[listing.product_type][class_of(listing.category, "", config.category_level)] += 1
    usual = {kind: min(count, key=lambda name: (-count[name], name)) for kind, count in votes.items()}
    for listing in listings:
        own = class_of(listing.category, listing.product_type, config.category_level)
        settled = listing.category and not listing.foreign
        listing.category_l1 = own if settled else usual.get(listing.product_type, own)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _values(entry: Mapping[str, Any], name: str, languages: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    """(value, whole dict, language tag) of a tagged field, the preferred language first, else as listed."""
    tagged = [value for value in _as_list(entry.get(name)) if isinstance(value, dict)]
    for value in sorted(tagged, key=lambda one: _rank(str(one.get("language_tag") or ""), languages)):
        found = text.cell_text(value.get("value"))
        if text.word(found):
            yield found, value, str(value.get("language_tag") or "")


def _tagged(entry: Mapping[str, Any], name: str, languages: Sequence[str]) -> tuple[str, str]:
    """Text and language tag of a field in the preferred language; empty texts where there is none."""
    return next(((value, tag) for value, _, tag in _values(entry, name, languages)), ("", ""))


def _rank(tag: str, languages: Sequence[str]) -> int:
    """Place of a tag in the order of preference; ``len(languages)`` for one nobody asked for."""
    tag = tag.replace("-", "_")
    ranks = (at for at, wanted in enumerate(languages) if fnmatchcase(tag, wanted.replace("-", "_")))
    return next(ranks, len(languages))


def _first_value(entry: Mapping[str, Any], name: str) -> str:
    return _tagged(entry, name, ())[0]


def _color(entry: Mapping[str, Any], languages: Sequence[str]) -> str:
    """The standard colour where the shop has one ("Blue"), else its own name ("Midnight Heather")."""
    for found, value, _ in _values(entry, "color", languages):
        standard = [text.word(text.cell_text(name)) for name in _as_list(value.get("standardized_values"))]
        return next(filter(None, standard), "") or text.word(found)
    return ""


def _unspoken(entry: Mapping[str, Any], languages: Sequence[str]) -> frozenset[str]:
    """Attributes in a language nobody asked for: beside the English type they make no caption."""
    found = set()
    for name in ("color", "material", "pattern"):
        value = next(_values(entry, name, languages), None)
        if value and _rank(value[2], languages) >= len(languages) and not value[1].get("standardized_values"):
            found.add(name)
    return frozenset(found)


def _bullets(entry: Mapping[str, Any], languages: Sequence[str]) -> str:
    """Bullet points of one language, as one text."""
    found = list(_values(entry, "bullet_point", languages))
    bullets = [text.plain(value) for value, _, tag in found if tag == found[0][2]]
    return text.plain(" • ".join(filter(None, bullets[:_SEVERAL])))


def _model(entry: Mapping[str, Any], languages: Sequence[str]) -> str:
    return text.word(_tagged(entry, "model_name", languages)[0] or _tagged(entry, "model_number", languages)[0])


def _attributes(entry: Mapping[str, Any], languages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in _ATTRIBUTE_FIELDS:
        value = entry.get(name)
        raw = _tagged(entry, name, languages)[0] if isinstance(value, list) else text.cell_text(value)
        found[name] = text.word(raw)
    found["color_name"] = text.word(_tagged(entry, "color", languages)[0])
    return {name: value for name, value in found.items() if value}
