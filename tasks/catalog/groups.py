"""Which products are variants of one design: the same thing in another colour or size."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from tasks.catalog.cells import each_row
from tasks.catalog.slices import slices

#: Colour words of shop titles, in the languages of the larger marketplaces. Compared without accents.
_COLORS = """
black white red blue green yellow orange purple pink brown gray grey silver gold golden beige ivory cream tan navy
teal turquoise aqua cyan magenta maroon burgundy violet lavender lilac mauve olive khaki mint lime coral peach
salmon rose charcoal slate graphite espresso walnut oak chestnut cherry mahogany natural forest royal hot sky multi
multicolor multicolour multicolored multicoloured assorted clear transparent bronze copper brass chrome champagne
mustard rust terracotta plum indigo sage emerald crimson scarlet fuchsia amber aubergine blush taupe sand stone
smoke snow midnight denim camel cognac mocha chocolate coffee heather dark light pale bright deep matte glossy
metallic neon pastel color colour colors colours off ebony pewter gunmetal onyx sapphire ruby cobalt schwarz weiss
rot blau grun gelb lila rosa braun grau silber hellblau dunkelblau hellgrau dunkelgrau mehrfarbig turkis farbe
farben noir noire blanc blanche rouge bleu bleue vert verte jaune marron gris grise argent dore doree multicolore
couleur negro negra blanco blanca rojo roja azul verde amarillo amarilla naranja morado rosado plata plateado dorado
nero nera bianco bianca rosso rossa blu giallo gialla arancione viola marrone grigio grigia argento oro zwart wit
rood blauw groen geel paars roze bruin grijs
ブラック ホワイト レッド ブルー グリーン イエロー オレンジ パープル
ピンク ブラウン グレー シルバー ゴールド ベージュ ネイビー
"""
_SIZES = """
xxs xs s m l xl xxl xxxl small medium large extra regular petite plus size sizes one king queen twin pack packs count
piece pieces set of pair pairs us uk eu and with for by mit und et avec con grosse taille talla taglia maat
"""
#: Only after a number: "78 W x 30 D", "12 oz".
_UNITS = """
inch inches in cm mm m ft feet oz ounce ounces ml l liter litre liters lb lbs pound pounds kg g gram grams
ct pc pcs w h d x
"""
COLOR_WORDS = frozenset(_COLORS.split())
_SIZE_WORDS = frozenset(_SIZES.split())
_UNIT_WORDS = frozenset(_UNITS.split())
_EVERY_SHOPS_WORDS = COLOR_WORDS | _SIZE_WORDS
_WORD = re.compile(r"[^\W_]+")
#: Columns of LISTINGS that make a design.
_DECIDING = ("group", "design", "brand", "product_type", "title", "color", "color_name")


def designs_of(listings: pa.Table, known: Collection[str] = (), trust_titles: bool = True) -> list[str]:
    """The design of each listing (LISTINGS); without ``trust_titles``, one that holds too many is no design.

    The shop's own group where it has one; else brand + model + type; else brand + the title without colours, sizes and
    numbers, whatever the order. A title of nothing else is a design of its own.

    Too many is more than a quarter, and more than three. Then the titles are too short to tell designs apart ("Handmade
    item"), and each item is its own. Designs of the previous catalogue (``known``) stay, or stay taken apart, as they
    were there; the shop's own groups and models always stay.
    """
    alone = [f"item-{item_id}" for item_id in listings["item_id"].to_pylist()]
    found = [
        design
        for some in slices(listings)
        for design in each_row(_design, *(some[name].to_pylist() for name in _DECIDING))
    ]
    designs = [design or own for design, own in zip(found, alone, strict=True)]
    by_title = pc.equal(pc.binary_join_element_wise(listings["group"], listings["design"], ""), "").to_pylist()
    apart = {design for design, own in zip(designs, alone, strict=True) if own in known} if known else set()
    if not trust_titles:
        size = Counter(design for design, titled in zip(designs, by_title, strict=True) if titled)
        apart |= {design for design, count in size.items() if count > max(3, len(designs) / 4)}
    apart -= set(known)
    if not apart:
        return designs
    return [
        own if titled and design in apart else design
        for design, own, titled in zip(designs, alone, by_title, strict=True)
    ]


def _design(group: str, model: str, brand: str, product_type: str, title: str, color: str, color_name: str) -> str:
    """The id of a design, "" where the title says nothing that tells it from others."""
    if group:
        return group
    if model:
        return _identifier(model, (brand, model, product_type))
    words = design_words(title, f"{color} {color_name}")
    return _identifier(" ".join(words), (brand, " ".join(sorted(set(words))))) if words else ""


def design_words(title: str, color: str) -> list[str]:
    """Words of a title that all colours and sizes of a design share, in their order."""
    colors = _color_words(color)
    kept, after_number = [], False
    for found in _words(title):
        is_number = (not found.isalpha() and any(map(str.isdigit, found))) or (after_number and found in _UNIT_WORDS)
        if not is_number and found not in _EVERY_SHOPS_WORDS and found not in colors:
            kept.append(found)
        after_number = is_number
    return kept


@lru_cache(maxsize=16_384)  # brands, colours and types come thousands of times
def _color_words(color: str) -> frozenset[str]:
    return frozenset(_words(color))


def _words(text: str) -> list[str]:
    return _WORD.findall(_fold(text))


def _fold(text: str) -> str:
    """Lower case without Latin accents. Marks of other scripts stay: without them Japanese reads differently."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def _identifier(label: str, made_of: tuple[str, ...]) -> str:
    """Readable, and distinct where the label is not: "chaz-kangeroo-hoodie-1f3a9c20b7"."""
    key = "\x1f".join(_fold(part).strip() for part in made_of)
    slug = "-".join(_words(label))[:48].strip("-")
    return f"{slug}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
