"""The product types of the shop: names as ABO spells them, how common they are, and what varies in each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProductType:
    """One product type: share of the shop, category path, variants, materials and the parts a title may name."""

    name: str
    weight: float
    node: str  # below /Categories
    variants: tuple[tuple[str, str], ...]  # (shape, noun in a title)
    materials: tuple[str, ...]
    patterned: float = 0.0  # share of designs with a pattern
    trim_part: str = ""  # "legs" in "with brass legs"; "" for none
    trims: tuple[str, ...] = ()
    features: tuple[str, ...] = ()  # each is drawn by the shape of the type
    sizes: tuple[str, ...] = ()


_FABRICS = ("Velvet", "Linen", "Leather", "Faux Leather", "Microfiber", "Cotton", "Wool")
_LEGS = ("oak", "walnut", "black metal", "brass", "chrome")
_VESSEL = ("Ceramic", "Glass", "Stoneware", "Terracotta Clay", "Hammered Metal", "Marble", "Concrete")
_CASES = ("TPU", "Silicone", "Polycarbonate", "Leather", "Faux Leather", "Carbon Fiber", "Wood", "Cork")


def _v(*pairs: str) -> tuple[tuple[str, str], ...]:
    """Variants from "shape=noun" texts; the noun is the shape where none is given."""
    return tuple((p.split("=")[0], p.split("=")[-1]) for p in pairs)


# a table, one type a paragraph
# fmt: off
TYPES: tuple[ProductType, ...] = (
    ProductType("CELLULAR_PHONE_CASE", 11, "Electronics Accessories/Cell Phones/Cases",
                _v("slim=slim phone case", "wallet=wallet phone case", "bumper=bumper phone case",
                   "ring=phone case with ring holder"),
                _CASES, 0.55, "bumper", ("black", "white", "grey", "red", "gold", "blue"), (),
                ("for iPhone 11", "for iPhone XR", "for Galaxy S10", "6.1 inch", "for iPhone 12 Pro")),
    ProductType("SHOES", 9, "Shoes/Sneakers & Lace-ups",
                _v("running=running shoe", "loafer=loafer", "oxford=oxford shoe", "hightop=high top sneaker",
                   "slipon=slip on shoe", "pump=high heel pump"),
                ("Leather", "Suede", "Canvas", "Mesh", "Knit", "Faux Leather"), 0.16, "sole",
                ("white", "black", "gum", "red"), ("contrast stripe", "toe cap"),
                ("Size 8", "UK 7", "EU 41", "9.5 M US", "EU 38")),
    ProductType("CHAIR", 6.5, "Furniture/Living Room/Chairs",
                _v("slat=dining chair with slatted back", "ladder=ladder back chair", "armchair=accent armchair",
                   "office=swivel office chair", "shell=molded shell chair", "wingback=wingback chair"),
                ("Velvet", "Linen", "Leather", "Faux Leather", "Plastic", "Wood", "Rattan"), 0.1, "legs", _LEGS,
                ("tufted back",), ("Set of 2", "Set of 4", "28\"W")),
    ProductType("SOFA", 5, "Furniture/Living Room/Sofas",
                _v("sofa=3 seater sofa", "loveseat=loveseat", "chesterfield=chesterfield sofa",
                   "sectional=sectional sofa with chaise", "armless=armless futon sofa"),
                _FABRICS, 0.08, "legs", _LEGS, ("tufted back", "throw pillows"), ("78\"W", "89\"W", "200 cm",
                "56 inch")),
    ProductType("TABLE", 5, "Furniture/Dining Room/Tables",
                _v("dining=rectangular dining table", "round=round dining table", "coffee=coffee table with shelf",
                   "pedestal=pedestal table", "console=console table", "nest=hairpin side table"),
                ("Wood", "Rustic Wood", "Marble", "Glass", "Metal", "Concrete", "Bamboo"), 0.0, "legs",
                (*_LEGS, "white"),
                (), ("60 inch", "120 x 60 cm", "48\"L")),
    ProductType("HANDBAG", 5, "Bags & Luggage/Handbags",
                _v("satchel=satchel handbag", "tote=tote bag", "clutch=envelope clutch", "bucket=bucket bag",
                   "crossbody=crossbody bag"),
                ("Leather", "Faux Leather", "Suede", "Canvas", "Straw", "Velvet"), 0.16, "hardware", ("gold",
                "silver"),
                ("tassel", "front pocket"), ("Small", "Medium", "Large")),
    ProductType("RUG", 5, "Home Decor/Rugs",
                _v("area=area rug", "round=round rug", "runner=runner rug", "oval=oval rug"),
                ("Wool", "Cotton", "Jute", "Polyester", "Faux Fur"), 0.62, "border", ("black", "white", "grey",
                "red", "blue"),
                ("fringe",), ("5' x 8'", "160 x 230 cm", "4 ft", "2'6 x 8'")),
    ProductType("DRINKING_CUP", 4.2, "Kitchen/Drinkware",
                _v("mug=coffee mug", "camping=camping mug", "travel=travel mug with lid", "tumbler=tumbler",
                   "goblet=goblet", "teacup=teacup and saucer"),
                ("Ceramic", "Porcelain", "Stoneware", "Enamel", "Stainless Steel", "Glass"), 0.55, "handle",
                ("white", "black", "gold"), (), ("12 oz", "350 ml", "16oz", "Set of 4")),
    ProductType("LAMP", 4, "Lighting/Lamps",
                _v("table=table lamp", "floor=floor lamp", "desk=adjustable desk lamp", "tripod=tripod floor lamp",
                   "gourd=gourd table lamp"),
                ("Ceramic", "Metal", "Brass", "Wood", "Marble", "Glass", "Rattan"), 0.0, "shade",
                ("white", "black", "cream", "grey", "red", "blue"), (), ("24 inch", "58\" tall", "with LED bulb")),
    ProductType("PILLOW", 4, "Home Decor/Throw Pillows",
                _v("square=square throw pillow", "round=round throw pillow", "lumbar=lumbar pillow",
                   "bolster=bolster pillow"),
                ("Velvet", "Linen", "Cotton", "Knit", "Faux Fur", "Satin", "Leather"), 0.55, "", (),
                ("pom pom trim", "tassels", "center button"), ("18x18", "45 x 45 cm", "12 x 20 inch", "Pack of 2")),
    ProductType("SHIRT", 4, "Clothing/Tops",
                _v("tee=crew neck t-shirt", "polo=polo shirt", "button=button down shirt",
                "longsleeve=long sleeve shirt",
                   "tank=tank top", "dress=short sleeve dress"),
                ("Cotton", "Linen", "Knit", "Denim", "Satin", "Polyester"), 0.5, "", (), ("chest pocket",),
                ("Size M", "XL", "US 10", "Small", "EU 42")),
    ProductType("BOOT", 3.4, "Shoes/Boots",
                _v("ankle=ankle boot", "knee=knee high boot", "rain=rain boot", "chelsea=chelsea boot",
                   "combat=lace up combat boot"),
                ("Leather", "Suede", "Faux Leather", "Rubber"), 0.12, "sole", ("black", "white", "gum", "red"),
                ("buckle strap", "fur cuff"), ("Size 9", "EU 40", "7 M US", "UK 6")),
    ProductType("VASE", 3, "Home Decor/Vases",
                _v("amphora=amphora vase", "bottle=bottle vase", "trumpet=trumpet vase", "cylinder=cylinder vase",
                   "globe=round globe vase", "handled=two handled vase"),
                _VESSEL, 0.25, "", (), ("flower stems", "ribbed"), ("10 inch", "25 cm", "Large")),
    ProductType("HAT", 2.6, "Clothing/Hats",
                _v("fedora=fedora hat", "cap=baseball cap", "beanie=beanie", "sun=wide brim sun hat",
                "bucket=bucket hat"),
                ("Cotton", "Wool", "Straw", "Felt", "Denim", "Knit"), 0.22, "band", ("black", "red", "white",
                "brown leather"),
                ("pom pom",), ("One Size", "L/XL")),
    ProductType("BACKPACK", 2.6, "Bags & Luggage/Backpacks",
                _v("daypack=daypack backpack", "rolltop=roll top backpack", "rucksack=flap rucksack",
                "mini=mini backpack"),
                ("Nylon", "Canvas", "Polyester", "Leather", "Faux Leather", "Denim"), 0.3, "straps",
                ("black", "tan leather", "grey", "red"), ("front pocket",), ("25L", "15 inch laptop", "Medium")),
    ProductType("SANDAL", 2.5, "Shoes/Sandals",
                _v("flipflop=flip flop", "slide=slide sandal", "strappy=strappy sandal", "wedge=wedge sandal"),
                ("Leather", "Suede", "Rubber", "Faux Leather", "Cork", "Canvas"), 0.14, "sole",
                ("black", "white", "gum", "tan leather"), ("buckle strap",), ("Size 8", "EU 39", "UK 5")),
    ProductType("WALL_ART", 2.4, "Home Decor/Wall Art",
                _v("geometricprint=geometric art print", "botanical=botanical leaf print",
                "landscape=mountain landscape print",
                   "abstract=abstract circles canvas art", "lineart=sunset print"),
                ("Wood", "Metal", "Plastic"), 0.0, "mat", ("white", "black", "cream"), (), ("16 x 20", "40 x 50 cm",
                "24x36")),
    ProductType("CLOCK", 2.1, "Home Decor/Clocks",
                _v("wall=round wall clock", "square=square wall clock", "alarm=twin bell alarm clock",
                   "sunburst=sunburst wall clock"),
                ("Wood", "Metal", "Plastic", "Brass", "Marble"), 0.0, "dial", ("white", "black", "cream", "red"),
                ("roman numerals",), ("12 inch", "30 cm", "Silent")),
    ProductType("OTTOMAN", 2, "Furniture/Living Room/Ottomans",
                _v("round=round ottoman", "cube=cube ottoman", "bench=storage bench ottoman", "pouf=floor pouf"),
                (*_FABRICS, "Knit"), 0.16, "legs", _LEGS, ("tufted top",), ("18\"", "45 cm", "Large")),
    ProductType("STOOL_SEATING", 2, "Furniture/Kitchen/Stools",
                _v("bar=bar stool", "counter=counter stool with back", "step=wooden step stool",
                "saddle=saddle seat stool"),
                ("Velvet", "Faux Leather", "Wood", "Linen", "Plastic", "Rattan"), 0.05, "legs", _LEGS, (),
                ("30\"", "Set of 2", "24 inch")),
    ProductType("BED", 2, "Furniture/Bedroom/Beds",
                _v("platform=platform bed frame", "upholstered=upholstered bed with headboard",
                "canopy=four poster canopy bed",
                   "bunk=bunk bed"),
                ("Wood", "Linen", "Velvet", "Leather", "Metal", "Rattan"), 0.0, "bedding", ("white", "grey", "blue",
                "red", "cream"),
                ("tufted back",), ("Queen", "King", "Full", "160 x 200")),
    ProductType("SUITCASE", 1.8, "Bags & Luggage/Luggage",
                _v("hard=hardside spinner suitcase", "duffel=duffel bag", "trunk=vintage trunk case",
                "soft=softside carry on"),
                ("Polycarbonate", "Nylon", "Leather", "Aluminum", "Canvas"), 0.2, "straps", ("black",
                "brown leather", "grey", "tan leather"),
                (), ("21 inch", "28\"", "Carry-On")),
    ProductType("CABINET", 1.7, "Furniture/Storage/Cabinets",
                _v("sideboard=sideboard", "dresser=dresser with drawers", "twodoor=2 door cabinet",
                "nightstand=nightstand",
                   "bookcase=tall wardrobe cabinet"),
                ("Wood", "Rustic Wood", "Bamboo", "Metal", "Rattan"), 0.0, "legs", _LEGS, (), ("36\"W", "47 inch",
                "80 cm")),
    ProductType("LIGHT_FIXTURE", 1.6, "Lighting/Ceiling Lights",
                _v("chandelier=chandelier", "dome=dome pendant light", "globe=globe pendant light",
                "drum=drum pendant light",
                   "sconce=wall sconce"),
                ("Metal", "Brass", "Glass", "Rattan", "Ceramic"), 0.0, "", (), (), ("6-Light", "14 inch",
                "with LED bulbs")),
    ProductType("WATCH", 1.4, "Jewelry & Watches/Watches",
                _v("analog=analog wrist watch", "digital=digital sports watch", "bangle=bangle watch",
                   "chronograph=chronograph watch"),
                ("Stainless Steel", "Leather", "Silicone", "Nylon"), 0.05, "dial", ("white", "black", "blue", "red",
                "gold"),
                (), ("38mm", "42 mm", "Men's", "Women's")),
    ProductType("SUNGLASSES", 1.4, "Jewelry & Watches/Sunglasses",
                _v("aviator=aviator sunglasses", "wayfarer=square sunglasses", "round=round sunglasses",
                "cateye=cat eye sunglasses"),
                ("Plastic", "Metal", "Bamboo", "Resin"), 0.12, "lenses", ("black", "blue", "red", "gold", "grey"), (),
                ("UV400", "Polarized", "52 mm")),
    ProductType("HEADPHONES", 1.2, "Electronics Accessories/Audio",
                _v("overear=over ear headphones", "onear=on ear headphones",
                "earbuds=true wireless earbuds with case",
                   "gaming=gaming headset with microphone"),
                ("Plastic", "Aluminum", "Leather", "Silicone"), 0.0, "accents", ("black", "white", "red", "gold",
                "blue"), (),
                ("Bluetooth 5.0", "Wireless", "Wired")),
    ProductType("COOKWARE", 1.2, "Kitchen/Cookware",
                _v("frypan=frying pan", "saucepan=saucepan with lid", "stockpot=stock pot with lid",
                "dutch=dutch oven",
                   "wok=wok"),
                ("Enamel", "Cast Iron", "Stainless Steel", "Aluminum", "Hammered Metal"), 0.0, "handle",
                ("black", "oak", "chrome", "red", "copper"), (), ("10 inch", "5 Qt", "28 cm", "3 L")),
    ProductType("BOTTLE", 1.1, "Kitchen/Water Bottles",
                _v("sports=sports water bottle", "thermos=insulated thermos", "swing=swing top bottle",
                "carafe=carafe"),
                ("Plastic", "Stainless Steel", "Glass", "Aluminum", "Silicone"), 0.32, "cap",
                ("black", "white", "oak", "red", "blue"), (), ("24 oz", "750 ml", "1 L")),
    ProductType("MIRROR", 1, "Home Decor/Mirrors",
                _v("arched=arched wall mirror", "round=round wall mirror", "rect=rectangular wall mirror",
                   "sunburst=sunburst mirror"),
                ("Wood", "Metal", "Brass", "Rattan", "Plastic"), 0.0, "", (), (), ("24 x 36", "30\"", "60 cm")),
    ProductType("PLANTER", 0.9, "Garden/Planters",
                _v("footed=footed planter", "tapered=tapered planter", "bowl=bowl planter",
                "box=rectangular planter box",
                   "hanging=hanging planter"),
                ("Terracotta Clay", "Ceramic", "Concrete", "Rattan", "Wood", "Metal"), 0.12, "", (), ("snake plant",
                "cactus", "fern"),
                ("6 inch", "20 cm", "Large")),
    ProductType("SHELF", 0.8, "Furniture/Storage/Shelves",
                _v("etagere=etagere bookshelf", "ladder=leaning ladder shelf", "floating=floating wall shelf",
                "cubes=cube bookcase"),
                ("Wood", "Rustic Wood", "Metal", "Bamboo", "Glass"), 0.0, "frame", ("black metal", "brass", "white",
                "chrome"),
                (), ("5-Tier", "24 inch", "60\"H")),
    ProductType("BASKET", 0.6, "Home Decor/Baskets",
                _v("round=round storage basket", "laundry=tall laundry hamper", "tray=serving tray"),
                ("Wicker", "Rattan", "Jute", "Cotton", "Felt"), 0.2, "handles", ("tan leather", "black leather",
                "white"),
                (), ("Large", "Set of 2", "15 inch")),
    ProductType("UMBRELLA", 0.4, "Garden/Umbrellas",
                _v("patio=patio umbrella", "stick=stick umbrella"), ("Polyester", "Nylon", "Canvas"), 0.5, "pole",
                ("oak", "black metal", "white"), (), ("9 ft", "270 cm")),
)
# fmt: on
# what the trim is called where a shape lacks the type's usual part; "" for nothing to name
_PART_OF_SHAPE = {
    ("CELLULAR_PHONE_CASE", "slim"): "frame",
    ("CELLULAR_PHONE_CASE", "ring"): "frame",
    ("CELLULAR_PHONE_CASE", "wallet"): "card slot",
    ("SHOES", "pump"): "heel",
    ("DRINKING_CUP", "travel"): "lid",
    ("DRINKING_CUP", "tumbler"): "straw",
    ("DRINKING_CUP", "goblet"): "stem",
    ("HAT", "cap"): "visor",
    ("HAT", "beanie"): "label",
    ("OTTOMAN", "pouf"): "",
    ("SUITCASE", "hard"): "handle",
    ("SUITCASE", "soft"): "handle",
    ("SHELF", "floating"): "brackets",
    ("SHELF", "cubes"): "back panel",
}


def trim_part(kind: ProductType, shape: str) -> str:
    """The part of a shape that its trim colours, as a title names it, or nothing."""
    return _PART_OF_SHAPE.get((kind.name, shape), kind.trim_part)


TYPE_BY_NAME = {kind.name: kind for kind in TYPES}
