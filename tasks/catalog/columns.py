"""Which column of a shop's table is which of ours: by its name, and where several may be, by their values."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.catalog import text
from tasks.catalog.cells import Source, as_text, each, is_pattern, pattern_columns
from tasks.catalog.config import REQUIRED_FIELDS, TABLE_FIELDS
from tasks.catalog.locations import images_of
from tasks.catalog.profiles import Profile, key
from tasks.catalog.tables.rows import Block, EmbeddedImage
from tasks.schema.errors import CatalogError

#: Spellings of each field, the likelier first; compared without case, spaces and punctuation.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "item_id": (
        "item_id", "id", "sku", "product_id", "productid", "asin", "article_id", "article_number", "item_number",
        "item_no", "variant_id", "variant_sku", "product_code", "handle", "uid", "uniq_id", "gtin", "ean",
    ),
    "title": (
        "title", "name", "product_name", "product_title", "item_name", "product_display_name", "display_name",
        "product_name_en", "listing_title",
    ),
    "image": (
        "image", "image_path", "image_url", "image_link", "image_uri", "image_src", "image_file", "image_filename",
        "img", "img_url", "img_path", "images", "image_urls", "main_image", "main_image_url", "base_image", "picture",
        "picture_url", "pictures", "photo", "photo_url", "photos", "filename", "file_name", "thumbnail", "link_image",
    ),
    "description": (
        "description", "product_description", "desc", "body", "body_html", "long_description", "detail_desc",
        "details", "about_product", "short_description", "bullet_points",
    ),
    "brand": ("brand", "brand_name", "vendor", "manufacturer", "maker", "label"),
    "category": (
        "category", "category_path", "product_category", "categories", "category_name", "category_tree",
        "google_product_category", "product_category_tree", "department", "taxonomy", "breadcrumbs",
    ),
    "product_type": ("product_type", "type", "product_type_name", "article_type", "item_type", "sub_category"),
    "color": ("color", "colour", "color_name", "colour_name", "base_colour", "base_color", "colour_group_name"),
    "material": ("material", "materials", "fabric", "composition"),
    "pattern": ("pattern", "pattern_name", "graphical_appearance_name", "print"),
    "price": ("price", "sale_price", "regular_price", "list_price", "retail_price", "variant_price", "unit_price"),
    "group_id": (
        "group_id", "item_group_id", "parent_sku", "parent_id", "parent_asin", "group_sku", "style_id", "style_code",
        "model_id", "design_id", "product_group_id", "configurable_sku",
    ),
    "language": ("language", "lang", "locale", "language_tag", "content_language"),
}  # fmt: skip

#: Numbers that many shops share, or leave empty: an id only where there is no other.
_SHARED_IDS = {"gtin", "ean", "asin", "handle"}
_FURTHER_IMAGES = re.compile(
    r"(additional|other|more|further|extra|gallery|media)(image|picture|photo)s?(link|url|path|src)?s?|mediagallery|gallery|"
    r"(image|picture|photo|img)(url|link|src|path)?0*[2-9]|(image|picture|photo|img)0*[2-9](url|link|src|path)?"
)
#: What shop systems write for the kind of a record, where others have the type of a product.
RECORD_KINDS = {
    "simple", "variable", "variation", "grouped", "external", "configurable", "virtual", "bundle", "downloadable",
    "bundled", "giftcard", "gift card", "subscription", "product", "products", "item", "physical", "digital", "default",
    "standard", "variant", "sku", "parent", "child", "p", "simple product", "configurable product",
}  # fmt: skip


class Columns:
    """The columns of one table, judged by a sample of its rows."""

    def __init__(self, found: Sequence[str], sample: Block | None = None) -> None:
        self.found, self._sample = found, sample or Block([], [], {})
        self.suspicions: dict[str, list[str]] = {}  # field -> what a person should look at

    def matched(self, explicit: Mapping[str, str], table: str, profile: Profile | None = None) -> dict[str, Source]:
        """Our field -> where its values are, for every field that has a column.

        ``explicit`` wins, then the profile, then a column of our own name, then the spellings, judged by their values.
        Raises one CatalogError that names every required field without a column and every explicit one that is not
        there.
        """
        faults: list[str] = []
        columns = {name: Source(column) for name, column in self._explicit(explicit, faults).items()}
        taken = {source.first for source in columns.values()}  # a column that a pattern names may be another field
        for field in TABLE_FIELDS:
            if field not in explicit:
                free = [name for name in self.found if name not in taken]
                known = self._of_profile(field, profile) if profile and field in profile.columns else None
                chosen = self._judged(field, candidates_for(field, free)) if known is None else known
                if chosen:
                    columns[field] = Source(*chosen)
                elif field in REQUIRED_FIELDS:
                    faults.append(f"no column for {field!r} (looked for {', '.join(SPELLINGS[field])})")
        if faults:
            raise CatalogError(_message(table, faults, self.found, columns))
        return {field: columns[field] for field in TABLE_FIELDS if field in columns}

    def _explicit(self, explicit: Mapping[str, str], faults: list[str]) -> dict[str, str]:
        columns = {}
        by_key = {key(name): name for name in reversed(self.found)}
        for field, name in explicit.items():
            real = name if name in self.found else by_key.get(key(name))
            if real is None and is_pattern(name):
                missing = [column for column in pattern_columns(name) if column not in self.found]
                faults += [f"{field!r} is made of {column!r}, which is not a column" for column in missing]
                columns[field] = name
            elif name and real is None:
                faults.append(f"{field!r} is mapped to {name!r}, which is not a column")
            elif name and real is not None:
                columns[field] = real
        return columns

    def _of_profile(self, field: str, profile: Profile) -> tuple[str, ...] | None:
        """The profile's columns that are there; None where all are missing, () where it says that there are none."""
        wanted = profile.columns[field]
        by_key = {key(name): name for name in reversed(self.found)}
        real = [
            column if is_pattern(column) else by_key[key(column)]
            for column in wanted
            if is_pattern(column) or key(column) in by_key
        ]
        return tuple(dict.fromkeys(real)) if real or not wanted else None

    def _judged(self, field: str, candidates: Sequence[str]) -> Sequence[str]:
        """The columns to read, the first filled one of a row counts; () for none."""
        match field:
            case "item_id":
                return self._ids(candidates)[:1]
            case "image":
                return self._images(candidates)
            case "category":
                return [name for name in candidates if not self._is_code(name)][:1] or self._code(candidates)
            case "product_type":
                return [name for name in candidates if not self._is_kind(name)][:1]
            case "price":
                return candidates
        return candidates[:1]

    def _ids(self, candidates: Sequence[str]) -> Sequence[str]:
        if len(candidates) < 2 or key(candidates[0]) == "itemid":
            return candidates
        own = [name for name in candidates if key(name) not in _SHARED_IDS] or candidates
        distinct = [name for name in own if self._is_distinct(name)] or own
        others = [name for name in candidates if name != distinct[0]]
        self._suspect("item_id", f"{', '.join(others)} may be ids as well")
        return distinct

    def _images(self, candidates: Sequence[str]) -> Sequence[str]:
        """The column of the image and those of further ones; without a name that says so, one with bytes of images."""
        if not candidates:
            return [name for name in self.found if any(isinstance(v, EmbeddedImage) for v in self._values(name))][:1]
        filled = [name for name in candidates if any(each(images_of, self._values(name)))] or candidates
        further = [name for name in self.found if _FURTHER_IMAGES.fullmatch(key(name)) and name != filled[0]]
        return [filled[0], *further]

    def _code(self, candidates: Sequence[str]) -> Sequence[str]:
        """A category that is a number: read where no product type says it in words."""
        types = candidates_for("product_type", self.found)
        if candidates and all(self._is_code(name) or self._is_kind(name) for name in types):
            self._suspect("category", "digits only")
            return candidates[:1]
        return ()

    def _is_code(self, name: str) -> bool:
        texts = self._texts(name)
        return bool(texts) and all(found.isdigit() for found in texts)

    def _is_kind(self, name: str) -> bool:
        texts = self._texts(name)
        return bool(texts) and {found.lower() for found in texts} <= RECORD_KINDS

    def _is_distinct(self, name: str) -> bool:
        texts = self._texts(name)
        return len(texts) == len(self._sample.sources) == len(set(texts))

    def _values(self, name: str) -> Sequence[Any]:
        return self._sample.column(name)

    def _texts(self, name: str) -> list[str]:
        return list(filter(None, each(lambda value: text.word(as_text(value), 500), self._values(name))))

    def _suspect(self, field: str, words: str) -> None:
        self.suspicions.setdefault(field, []).append(words)


def further_columns(found: Sequence[str], columns: Mapping[str, Source], profile: Profile | None) -> list[str]:
    """Columns that become attributes: none of ours, and nothing the profile leaves unread."""
    ours = {source.first for source in columns.values()} | columns["image"].names
    unread = profile.unread if profile else ()
    return [
        name
        for name in found
        if name and name not in ours and not any(fnmatch.fnmatchcase(name, pattern) for pattern in unread)
    ]


def candidates_for(field: str, found: Sequence[str]) -> list[str]:
    """Columns that may be ``field``, in the order of its spellings."""
    names: dict[str, list[str]] = {}
    for name in found:
        names.setdefault(key(name), []).append(name)
    keys = dict.fromkeys(key(spelling) for spelling in SPELLINGS[field])
    return [name for spelling in keys for name in names.get(spelling, [])]


def _message(table: str, faults: Sequence[str], found: Sequence[str], columns: Mapping[str, Source]) -> str:
    example = {
        field: columns[field].first if field in columns else f"<column of the {field}>" for field in REQUIRED_FIELDS
    }
    return (
        f"{table} cannot be read as a catalogue: {'; '.join(faults)}. Columns found: {list(found)}. "
        f"Say which is which with the parameter columns, e.g. columns={example}."
    )
