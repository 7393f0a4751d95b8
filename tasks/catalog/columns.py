"""Which column of a shop's table is which of ours."""

import re
from collections.abc import Mapping, Sequence

from tasks.catalog.config import REQUIRED_FIELDS, TABLE_FIELDS
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


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def match_columns(found: Sequence[str], explicit: Mapping[str, str], table: str) -> dict[str, str]:
    """Our field -> the table's column, for every field that has one.

    ``explicit`` wins; then a column of our own name; then the spellings. Raises one CatalogError that names every
    required field that has no column or several, and every explicit column that is not there.
    """
    faults: list[str] = []
    columns = _explicit(found, explicit, faults)
    taken = set(columns.values())
    for field in TABLE_FIELDS:
        if field in explicit:
            continue
        candidates = _candidates(field, [name for name in found if name not in taken])
        if len(candidates) > 1 and field in REQUIRED_FIELDS and _key(candidates[0]) != _key(field):
            faults.append(f"{field!r} may be any of {candidates}")
        elif candidates:
            columns[field] = candidates[0]
        elif field in REQUIRED_FIELDS:
            faults.append(f"no column for {field!r} (looked for {', '.join(SPELLINGS[field])})")
    if faults:
        raise CatalogError(_message(table, faults, found, columns))
    return {field: columns[field] for field in TABLE_FIELDS if field in columns}


def _explicit(found: Sequence[str], explicit: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    columns = {}
    by_key = {_key(name): name for name in reversed(found)}
    for field, name in explicit.items():
        real = name if name in found else by_key.get(_key(name))
        if name and real is None:
            faults.append(f"{field!r} is mapped to {name!r}, which is not a column")
        elif name and real is not None:
            columns[field] = real
    return columns


def _candidates(field: str, found: Sequence[str]) -> list[str]:
    """Columns that may be ``field``, in the order of its spellings."""
    names: dict[str, list[str]] = {}
    for name in found:
        names.setdefault(_key(name), []).append(name)
    keys = dict.fromkeys(_key(spelling) for spelling in SPELLINGS[field])
    return [name for key in keys for name in names.get(key, [])]


def _message(table: str, faults: Sequence[str], found: Sequence[str], columns: Mapping[str, str]) -> str:
    example = {field: columns.get(field, f"<column of the {field}>") for field in REQUIRED_FIELDS}
    return (
        f"{table} cannot be read as a catalogue: {'; '.join(faults)}. Columns found: {list(found)}. "
        f"Say which is which with the parameter columns, e.g. columns={example}."
    )
