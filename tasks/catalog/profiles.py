"""Exports of the large shop systems: how each is told from others, and what its columns and rows mean.

Layouts: the systems' own documentation of their product exports and feeds.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.catalog.cells import as_text
from tasks.catalog.families import EXTRA_IMAGE, GALLERY, GROUP, Families, Values


def key(name: str) -> str:
    """A column's name without case, spaces and punctuation, nor the prefix of a Google feed."""
    return re.sub(r"[\W_]+", "", name.removeprefix("g:")).casefold()


@dataclass(frozen=True)
class Profile:
    """One system's export. ``columns``: our field -> its columns, as `tasks.catalog.cells.Source` takes them."""

    name: str  # of the parameter `format`
    label: str
    signature: tuple[str, ...]  # columns that together only this export has
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()  # columns that say nothing of a product; * stands for any ending
    families: Families | None = None  # where one product has several rows

    def fits(self, found: Collection[str]) -> bool:
        """Whether a table with these columns is such an export."""
        names = {key(name) for name in found}
        return all(key(name) in names for name in self.signature)


def _filled(values: Values, *names: str) -> bool:
    return any(as_text(values.get(name)).strip() for name in names)


def _either(*names: str) -> Callable[[Values], str]:
    return lambda values: next((found for name in names if (found := as_text(values.get(name)).strip())), "")


def _shopify_kind(values: Values) -> str:
    if _filled(values, "Title"):
        return "product"
    return "variant" if _filled(values, "Variant SKU", "Option1 Value", "Variant Price") else EXTRA_IMAGE


def _shopify(values: Values, product: Values) -> dict[str, Any]:
    options = [as_text(values.get(f"Option{at} Value")) for at in (1, 2, 3)]
    handle = as_text(values.get("Handle"))
    plain = [option for option in options if option and option != "Default Title"]
    return {
        "Variant SKU or Handle": as_text(values.get("Variant SKU")).lstrip("'") or "-".join([handle, *plain]),
        "Variant Image or Image Src": values.get("Variant Image") or product.get("Image Src"),
    }


_VARIANT_PRICE = "price of the first variant"


def _first_variant(values: Values, product: Values) -> dict[str, Any]:
    variants = values.get("variants")
    first = variants[0] if isinstance(variants, list) and variants and isinstance(variants[0], dict) else {}
    return {_VARIANT_PRICE: first.get("price")}


def _woocommerce_parent(values: Values) -> str:
    return as_text(values.get("Parent")).removeprefix("id:") or as_text(values.get("SKU")) or as_text(values.get("ID"))


def _magento(values: Values, product: Values) -> dict[str, Any]:
    pairs = re.findall(r"(?:^|,)([a-z][a-z0-9_]*)=([^,]*)", as_text(values.get("additional_attributes")))
    return {name: value for name, value in pairs if not _filled(values, name)}


_BIGCOMMERCE_KINDS = {
    "product": "product",
    "variant": "variant",
    "sku": "variant",
    "image": EXTRA_IMAGE,
    "rule": "rule",
}


def _bigcommerce_kind(column: str) -> Callable[[Values], str]:
    return lambda values: _BIGCOMMERCE_KINDS.get(as_text(values.get(column)).strip().lower(), "product")


PROFILES: Sequence[Profile] = (
    Profile(
        "shopify", "Shopify product export", ("Handle", "Title", "Option1 Name", "Variant SKU"),
        columns={
            "item_id": ("Variant SKU or Handle",), "title": ("Title",),
            "image": ("Variant Image or Image Src", "Image Src", GALLERY),
            "description": ("Body (HTML)",), "brand": ("Vendor",), "category": ("Product Category",),
            "product_type": ("Type",), "price": ("Variant Price",), "group_id": (GROUP,),
        },
        unread=("Image Src", "Image Position", "Image Alt Text", "Variant Image", "Handle", "Variant SKU", "Option*",
                "Published", "Status", "Gift Card", "Variant Inventory*", "Variant Fulfillment*", "Variant Taxable"),
        families=Families(
            of=lambda values: as_text(values.get("Handle")), kind=_shopify_kind, image="Image Src",
            own=("Variant *", "Image *", "Option? Value"), options=("Option{at} Name", "Option{at} Value"),
            more=_shopify,
        ),
    ),
    Profile(
        "shopify", "Shopify products.json", ("id", "title", "body_html", "images", "variants"),
        columns={
            "item_id": ("id",), "image": ("images",), "price": (_VARIANT_PRICE,), "category": ("product_category",),
        },
        unread=("variants", "options", "images", "admin_graphql_api_id", "*_at", "published_scope", "template_suffix"),
        families=Families(of=_either("id"), kind=lambda values: "product", more=_first_variant),
    ),
    Profile(
        "woocommerce", "WooCommerce product export", ("ID", "Type", "SKU", "Name", "Regular price", "Images"),
        columns={
            "item_id": ("SKU", "ID"), "title": ("Name",), "image": ("Images",),
            "description": ("Description", "Short description"), "category": ("Categories",),
            "price": ("Sale price", "Regular price"), "group_id": (GROUP,), "product_type": (),
        },
        unread=("Type", "ID", "Parent", "Published", "Visibility in catalog", "Position", "Attribute *"),
        families=Families(
            of=_woocommerce_parent,
            kind=lambda values: "variant" if as_text(values.get("Type")) == "variation" else "product",
            also=lambda values: as_text(values.get("ID")),
            own=("ID", "Type", "SKU", "Sale price", "Regular price", "Parent", "Attribute *"),
            options=("Attribute {at} name", "Attribute {at} value(s)"),
        ),
    ),
    Profile(
        "magento", "Magento / Adobe Commerce product export", ("sku", "product_type", "name", "base_image"),
        columns={
            "item_id": ("sku",), "title": ("name",), "image": ("base_image", "additional_images"),
            "description": ("description", "short_description"), "category": ("categories",), "product_type": (),
            "price": ("special_price", "price"), "brand": ("brand", "manufacturer"), "group_id": (GROUP,),
        },
        unread=("product_type", "store_view_code", "attribute_set_code", "product_websites", "small_image",
                "thumbnail_image", "additional_images", "additional_attributes", "configurable_variations"),
        families=Families(
            of=lambda values: as_text(values.get("sku")),
            kind=lambda values: "store view" if _filled(values, "store_view_code") else "product",
            named=lambda values: re.findall(r"sku=([^,|]+)", as_text(values.get("configurable_variations"))),
            own=("*",), more=_magento,
        ),
    ),
    Profile(
        "bigcommerce", "BigCommerce product export", ("Item", "ID", "Name", "SKU", "Image URL (Import)"),
        columns={
            "item_id": ("SKU", "ID"), "title": ("Name",),
            "image": ("Image URL (Import)", "Internal Image URL (Export)", GALLERY), "description": ("Description",),
            "category": ("Categories",), "price": ("Sale Price", "Price"),
            "brand": ("Brand Name",), "product_type": (), "group_id": (GROUP,),
        },
        unread=("Item", "Type", "ID"),
        families=Families(of=_either("SKU", "ID"), below=True, kind=_bigcommerce_kind("Item"),
                          image="Image URL (Import)",
                          own=("Item", "ID", "SKU", "Price", "Sale Price", "Options")),
    ),
    Profile(
        "bigcommerce", "BigCommerce bulk edit export", ("Item Type", "Product ID", "Product Name", "Product Code/SKU"),
        columns={
            "item_id": ("Product Code/SKU", "Product ID"), "title": ("Product Name",),
            "image": tuple(f"Product Image File - {at}" for at in range(1, 10)),
            "description": ("Product Description",), "category": ("Category",),
            "price": ("Sale Price", "Price"), "brand": ("Brand Name",),
            "product_type": (), "group_id": (GROUP,),
        },
        unread=("Item Type", "Product Type", "Product ID"),
        families=Families(of=_either("Product Code/SKU", "Product ID"), below=True, kind=_bigcommerce_kind("Item Type"),
                          own=("Item Type", "Product ID", "Product Code/SKU", "Price", "Sale Price")),
    ),
    Profile(
        "google", "Google Merchant feed", ("id", "title", "image_link"),
        columns={"item_id": ("id",), "title": ("title",), "image": ("image_link", "additional_image_link"),
                 "price": ("sale_price", "price"), "group_id": ("item_group_id",)},
        unread=("gtin", "mpn", "link", "identifier_exists", "additional_image_link"),
    ),
    Profile(
        "kaggle_styles", "Kaggle fashion-product-images (styles.csv)", ("id", "masterCategory", "articleType"),
        columns={"item_id": ("id",), "title": ("productDisplayName",), "color": ("baseColour",),
                 "category": ("{masterCategory} > {subCategory}", "masterCategory"), "product_type": ("articleType",)},
        unread=("masterCategory", "subCategory"),
    ),
    Profile(
        "amazon_reviews", "Amazon Reviews 2023 metadata", ("parent_asin", "title", "images", "main_category"),
        columns={"item_id": ("parent_asin",), "title": ("title",), "image": ("images",), "brand": ("store",),
                 "category": ("categories", "main_category"), "description": ("features", "description"),
                 "price": ("price",), "product_type": (), "group_id": ("parent_asin",)},
        unread=("average_rating", "rating_number", "videos", "bought_together", "author", "details"),
    ),
)  # fmt: skip


def profile_of(found: Sequence[str], wanted: str = "auto") -> Profile | None:
    """The export that a table with these columns is: the one ``wanted``, or with "auto" the first that fits."""
    return next((one for one in PROFILES if wanted in ("auto", one.name) and one.fits(found)), None)


def signatures(name: str) -> str:
    """What an export of that name must have, for a message."""
    return " or ".join(", ".join(one.signature) for one in PROFILES if one.name == name)
