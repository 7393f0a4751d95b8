"""An Amazon Berkeley Objects export as listings: language-tagged JSON lines and a table of images.

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
from tasks.catalog.listing import Listing, Reject, SourceRows, listings_table
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
    """One line that names an item. Its listing names the image by image_id until the paths are known."""

    domain: str
    language_rank: int
    raw_type: str
    listing: Listing
    fault: tuple[str, str]  # reason and detail, ("", "") for a whole line


def read_abo(config: CatalogConfig, files: SourceFiles) -> SourceRows:
    """Every listing of the export once, in the preferred language, or as a reject.

    An item sold on several marketplaces has a line for each: they fold into one. Raises CatalogError when the
    folder holds no export.
    """
    names = _listing_files(config, files)
    lines, rejects, rows = _lines(names, files, config)
    kept, folded, repeated = _one_per_item(lines)
    rejects += repeated
    rejects += [_rejected(line.listing, *line.fault) for line in kept if line.fault[0]]
    whole = [line.listing for line in kept if not line.fault[0]]
    paths = _image_paths(files, {image for listing in whole for image in (listing.image, *listing.further_images)})
    results = [_located(listing, paths, config) for listing in whole]
    listings = [result for result in results if isinstance(result, Listing)]
    rejects += [result for result in results if isinstance(result, Reject)]
    _settle_classes(listings, config)
    facts: dict[str, object] = {"listing_files": len(names), "folded_marketplaces": folded}
    return SourceRows(listings_table(listings), rejects, rows, facts)


def _rejected(listing: Listing, reason: str, detail: str) -> Reject:
    return Reject(listing.row, text.showable(listing.item_id), reason, text.showable(detail), listing.source)


def is_abo(files: SourceFiles) -> bool:
    """Whether the folder holds the listings of an export."""
    try:
        return bool(files.list(LISTINGS_FOLDER))
    except SourceMissing:
        return False


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
    # Reduced at once: the parsed lines of a whole export would fill the memory.
    return _understood(row, source, item_id, entry, languages)


def _one_per_item(lines: Sequence[_Line]) -> tuple[list[_Line], int, list[Reject]]:
    """The line to keep of each item, how many lines of other marketplaces folded into it, and true repetitions.

    Kept is a line with title and image, in the preferred language, from the earliest row. The same id on the same
    marketplace, or for a product of another type with another image, is a repetition.
    """
    by_item: dict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        by_item[line.listing.item_id].append(line)
    kept, folded, rejects = [], 0, []
    for item_id, same in by_item.items():
        first: dict[str, int] = {}
        candidates = []
        for line in same:
            if line.domain in first or not _same_product(line, same[0]):
                earlier = first.get(line.domain, same[0].listing.row)
                rejects.append(_rejected(line.listing, "duplicate_id", f"row {earlier} has the same id {item_id!r}"))
            else:
                first[line.domain] = line.listing.row
                candidates.append(line)
        kept.append(min(candidates, key=lambda line: (bool(line.fault[0]), line.language_rank, line.listing.row)))
        folded += len(candidates) - 1
    kept.sort(key=lambda line: line.listing.row)
    return kept, folded, rejects


def _same_product(line: _Line, first: _Line) -> bool:
    return line.raw_type == first.raw_type or line.listing.image == first.listing.image


def _image_paths(files: SourceFiles, wanted: set[str]) -> dict[str, str]:
    """Path of each wanted image_id, relative to the folder of its size."""
    try:
        data = _unpacked(IMAGES_TABLE, files.read(IMAGES_TABLE))
    except SourceMissing as error:
        raise CatalogError(f"The ABO export has no {IMAGES_TABLE}, which says where its images lie.") from error
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    missing = {"image_id", "path"} - set(rows.fieldnames or ())
    if missing:
        raise CatalogError(f"{IMAGES_TABLE} has no column {sorted(missing)}; found {rows.fieldnames}.")
    return {row["image_id"]: row["path"] for row in rows if row["image_id"] in wanted and row["path"]}


def _understood(row: int, source: str, item_id: str, entry: Mapping[str, Any], languages: Sequence[str]) -> _Line:
    raw_title, tag = _tagged(entry, "item_name", languages)
    image_id = text.word(text.cell_text(entry.get("main_image_id")))
    raw_type = _tagged(entry, "product_type", ())[0]
    rank = _rank(tag, languages)
    listing = Listing(
        row=row,
        source=source,
        item_id=item_id,
        title=text.title(raw_title),
        image=image_id,
        further_images=tuple(text.word(text.cell_text(other)) for other in _as_list(entry.get("other_image_id"))),
        description=_bullets(entry, languages),
        brand=text.word(_tagged(entry, "brand", languages)[0]),
        category=node_path([node for node in _as_list(entry.get("node")) if isinstance(node, dict)]),
        product_type=type_words(raw_type),
        color=_color(entry, languages),
        material=text.word(_tagged(entry, "material", languages)[0]),
        pattern=text.word(_tagged(entry, "pattern", languages)[0]),
        language=tag.replace("_", "-"),
        design="" if raw_type in _MODEL_OF_ANOTHER else _model(entry, languages),
        foreign=rank >= len(languages),
        unspoken=_unspoken(entry, languages),
        attributes=_attributes(entry, languages),
    )
    fault = ("", "")
    if not listing.title:
        fault = ("missing_title", f"item_name is {entry.get('item_name')!r}")
    elif not image_id:
        fault = ("missing_picture", f"main_image_id is {entry.get('main_image_id')!r}")
    return _Line(str(entry.get("domain_name")), rank, raw_type, listing, fault)


def _located(listing: Listing, paths: Mapping[str, str], config: CatalogConfig) -> Listing | Reject:
    """The listing with the path of its image in the place of the image_id."""
    path = paths.get(listing.image, "")
    own = _image_path(path, config)
    if not own:
        reason = "picture_outside_root" if path else "picture_not_found"
        return _rejected(listing, reason, f"image_id {listing.image!r} has the path {path!r} in {IMAGES_TABLE}")
    listing.image = own
    further = (_image_path(paths.get(image, ""), config) for image in listing.further_images)
    listing.further_images = tuple(filter(None, further))
    return listing


def _image_path(path: str, config: CatalogConfig) -> str:
    """A path of the table of images, relative to the export; "" where there is none, or it leads elsewhere."""
    return f"images/{config.abo_images}/{path.lstrip('/')}" if path and ".." not in path.split("/") else ""


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
    """Place of a tag in the order of preference; ``len(languages)`` for none of them."""
    tag = tag.replace("-", "_")
    ranks = (at for at, wanted in enumerate(languages) if fnmatchcase(tag, wanted.replace("-", "_")))
    return next(ranks, len(languages))


def _color(entry: Mapping[str, Any], languages: Sequence[str]) -> str:
    """The standard colour where the shop has one ("Blue"), else its own name ("Midnight Heather")."""
    for found, value, _ in _values(entry, "color", languages):
        standard = [text.word(text.cell_text(name)) for name in _as_list(value.get("standardized_values"))]
        return next(filter(None, standard), "") or text.word(found)
    return ""


def _unspoken(entry: Mapping[str, Any], languages: Sequence[str]) -> frozenset[str]:
    """Attributes in none of the preferred languages: next to the English type they make no caption."""
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
