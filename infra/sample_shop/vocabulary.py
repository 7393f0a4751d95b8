"""The words of the shop and what they look like: colours, materials, patterns, brands."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Material:
    """How a material looks: texture tile, shine 0..1, highlight exponent, mirror share 0..1, and which colours it takes."""

    texture: str
    shine: float
    gloss: float
    mirror: float
    pool: str
    family: str  # the plain word that translations know


# name -> (standard colour, RGB)
COLORS: dict[str, tuple[str, RGB]] = {
    "Black": ("Black", (28, 28, 30)),
    "Charcoal": ("Grey", (66, 68, 73)),
    "Jet Black": ("Black", (14, 14, 16)),
    "White": ("White", (244, 244, 242)),
    "Off White": ("White", (232, 229, 218)),
    "Ivory": ("White", (243, 237, 217)),
    "Grey": ("Grey", (139, 141, 144)),
    "Light Grey": ("Grey", (189, 192, 195)),
    "Slate Grey": ("Grey", (92, 104, 119)),
    "Red": ("Red", (200, 28, 34)),
    "Crimson": ("Red", (158, 16, 48)),
    "Burgundy": ("Red", (104, 22, 40)),
    "Coral": ("Orange", (248, 118, 92)),
    "Blue": ("Blue", (38, 92, 192)),
    "Navy": ("Blue", (26, 38, 84)),
    "Royal Blue": ("Blue", (26, 56, 224)),
    "Sky Blue": ("Blue", (128, 192, 238)),
    "Teal": ("Green", (10, 122, 128)),
    "Turquoise": ("Blue", (56, 200, 206)),
    "Denim Blue": ("Blue", (70, 102, 146)),
    "Green": ("Green", (36, 138, 62)),
    "Olive Green": ("Green", (104, 112, 44)),
    "Sage": ("Green", (158, 176, 148)),
    "Mint": ("Green", (158, 222, 194)),
    "Forest Green": ("Green", (22, 74, 46)),
    "Lime": ("Green", (156, 210, 40)),
    "Yellow": ("Yellow", (248, 212, 30)),
    "Mustard": ("Yellow", (210, 158, 34)),
    "Lemon": ("Yellow", (248, 236, 118)),
    "Orange": ("Orange", (240, 124, 20)),
    "Terracotta": ("Orange", (190, 92, 58)),
    "Brown": ("Brown", (112, 70, 40)),
    "Chocolate": ("Brown", (66, 38, 26)),
    "Cognac": ("Brown", (162, 84, 34)),
    "Tan": ("Brown", (200, 154, 104)),
    "Walnut": ("Brown", (100, 66, 44)),
    "Oak": ("Brown", (202, 160, 108)),
    "Cherry Wood": ("Brown", (134, 58, 36)),
    "Beige": ("Beige", (222, 204, 174)),
    "Natural": ("Beige", (214, 186, 140)),
    "Sand": ("Beige", (204, 186, 150)),
    "Cream": ("Beige", (246, 230, 196)),
    "Pink": ("Pink", (242, 148, 178)),
    "Hot Pink": ("Pink", (230, 40, 138)),
    "Blush": ("Pink", (238, 202, 196)),
    "Purple": ("Purple", (106, 46, 150)),
    "Lavender": ("Purple", (184, 164, 220)),
    "Plum": ("Purple", (92, 32, 76)),
    "Gold": ("Metallic", (218, 172, 66)),
    "Silver": ("Metallic", (196, 200, 206)),
    "Bronze": ("Metallic", (136, 94, 50)),
    "Rose Gold": ("Metallic", (224, 158, 140)),
    "Copper": ("Metallic", (198, 108, 62)),
}

_METALS = ("Gold", "Silver", "Bronze", "Rose Gold", "Copper")
_WOODS = ("Walnut", "Oak", "Cherry Wood", "Natural", "Brown", "Chocolate", "White", "Black", "Grey")
_PLAIN = tuple(name for name in COLORS if name not in _METALS and name not in ("Walnut", "Oak", "Cherry Wood"))
COLOR_POOLS: dict[str, tuple[str, ...]] = {
    "any": _PLAIN,
    "wood": _WOODS + ("Sage", "Navy", "Teal"),
    "metal": _METALS + ("Black", "White", "Silver", "Gold", "Charcoal", "Red", "Navy", "Teal", "Mustard", "Green"),
    "shiny": _METALS,
    "leather": ("Black", "Brown", "Cognac", "Tan", "Chocolate", "White", "Burgundy", "Navy", "Red", "Forest Green",
                "Grey", "Beige", "Mustard", "Blush", "Hot Pink", "Teal"),
    "natural": ("Natural", "Tan", "Brown", "Beige", "White", "Black", "Sand", "Grey", "Teal", "Terracotta"),
    "clay": ("Terracotta", "White", "Sand", "Charcoal", "Sage", "Blue", "Green", "Mustard", "Off White", "Brown"),
    "stone": ("White", "Grey", "Black", "Beige", "Forest Green", "Blush", "Charcoal"),
}

MATERIALS: dict[str, Material] = {
    "Leather": Material("leather", 0.35, 22, 0.0, "leather", "leather"),
    "Faux Leather": Material("leather", 0.55, 34, 0.0, "leather", "leather"),
    "Suede": Material("suede", 0.0, 8, 0.0, "leather", "leather"),
    "Velvet": Material("velvet", 0.0, 6, 0.0, "any", "velvet"),
    "Linen": Material("weave", 0.0, 6, 0.0, "any", "linen"),
    "Cotton": Material("cotton", 0.0, 6, 0.0, "any", "cotton"),
    "Canvas": Material("canvas", 0.0, 6, 0.0, "any", "cotton"),
    "Denim": Material("denim", 0.0, 6, 0.0, "any", "cotton"),
    "Wool": Material("wool", 0.0, 6, 0.0, "any", "wool"),
    "Knit": Material("knit", 0.0, 6, 0.0, "any", "wool"),
    "Felt": Material("suede", 0.0, 6, 0.0, "any", "wool"),
    "Faux Fur": Material("fur", 0.0, 6, 0.0, "any", "wool"),
    "Polyester": Material("cotton", 0.1, 14, 0.0, "any", "polyester"),
    "Nylon": Material("nylon", 0.22, 18, 0.0, "any", "polyester"),
    "Microfiber": Material("suede", 0.05, 8, 0.0, "any", "polyester"),
    "Mesh": Material("mesh", 0.05, 10, 0.0, "any", "polyester"),
    "Satin": Material("smooth", 0.55, 9, 0.0, "any", "polyester"),
    "Wood": Material("wood", 0.12, 20, 0.0, "wood", "wood"),
    "Bamboo": Material("bamboo", 0.15, 20, 0.0, "wood", "wood"),
    "Rustic Wood": Material("planks", 0.05, 12, 0.0, "wood", "wood"),
    "Rattan": Material("rattan", 0.15, 18, 0.0, "natural", "rattan"),
    "Wicker": Material("wicker", 0.1, 14, 0.0, "natural", "rattan"),
    "Straw": Material("straw", 0.05, 10, 0.0, "natural", "rattan"),
    "Jute": Material("jute", 0.0, 6, 0.0, "natural", "rattan"),
    "Cork": Material("cork", 0.0, 6, 0.0, "natural", "wood"),
    "Ceramic": Material("smooth", 0.75, 60, 0.08, "any", "ceramic"),
    "Porcelain": Material("smooth", 0.9, 90, 0.14, "any", "ceramic"),
    "Stoneware": Material("speckle", 0.2, 16, 0.0, "any", "ceramic"),
    "Terracotta Clay": Material("clay", 0.0, 6, 0.0, "clay", "ceramic"),
    "Glass": Material("smooth", 1.0, 120, 0.42, "any", "glass"),
    "Marble": Material("marble", 0.6, 50, 0.06, "stone", "stone"),
    "Concrete": Material("concrete", 0.0, 6, 0.0, "stone", "stone"),
    "Metal": Material("smooth", 0.6, 40, 0.5, "metal", "metal"),
    "Stainless Steel": Material("brushed", 0.7, 50, 0.65, "shiny", "metal"),
    "Brass": Material("smooth", 0.8, 60, 0.8, "shiny", "metal"),
    "Aluminum": Material("brushed", 0.5, 30, 0.4, "metal", "metal"),
    "Hammered Metal": Material("hammered", 0.7, 40, 0.6, "metal", "metal"),
    "Cast Iron": Material("concrete", 0.15, 14, 0.0, "any", "metal"),
    "Enamel": Material("smooth", 0.85, 70, 0.12, "any", "metal"),
    "Plastic": Material("smooth", 0.4, 30, 0.02, "any", "plastic"),
    "Silicone": Material("smooth", 0.12, 9, 0.0, "any", "plastic"),
    "Rubber": Material("smooth", 0.2, 12, 0.0, "any", "plastic"),
    "TPU": Material("smooth", 0.5, 24, 0.03, "any", "plastic"),
    "Polycarbonate": Material("smooth", 0.9, 80, 0.15, "any", "plastic"),
    "Carbon Fiber": Material("carbon", 0.6, 40, 0.05, "stone", "plastic"),
    "Resin": Material("speckle", 0.5, 40, 0.02, "any", "plastic"),
    "Paper": Material("cotton", 0.0, 6, 0.0, "any", "paper"),
}

PATTERNS = ("striped", "polka dot", "floral", "plaid", "geometric", "leopard", "camo", "marble print", "ombre")

# material and colour of the parts that a title calls "with ... legs" and the like: (material, RGB)
TRIMS: dict[str, tuple[str, RGB]] = {
    "oak": ("Wood", (206, 164, 112)),
    "walnut": ("Wood", (98, 62, 40)),
    "black metal": ("Metal", (30, 30, 32)),
    "brass": ("Brass", (222, 176, 70)),
    "chrome": ("Brass", (214, 217, 222)),
    "white": ("Plastic", (242, 242, 240)),
    "black": ("Plastic", (26, 26, 28)),
    "copper": ("Brass", (206, 116, 70)),
    "tan leather": ("Leather", (196, 142, 88)),
    "brown leather": ("Leather", (98, 58, 34)),
    "black leather": ("Leather", (32, 30, 30)),
    "cream": ("Linen", (244, 232, 206)),
    "grey": ("Plastic", (140, 142, 146)),
    "red": ("Plastic", (204, 34, 38)),
    "gum": ("Rubber", (188, 132, 76)),
    "blue": ("Plastic", (40, 90, 190)),
    "gold": ("Brass", (222, 178, 74)),
    "silver": ("Brass", (206, 209, 214)),
}

BRANDS = (
    "Rivet", "Stone & Beam", "AmazonBasics", "Movian", "Find.", "The Fix", "Ravenna Home", "Solimo", "Umi", "Alkove",
    "Strathwood", "Pinzon", "Aurique", "Amazon Essentials", "Goodthreads", "Whitmor Lane", "Casa Bruna", "Nordhavn",
    "Kestrel & Co", "Larkfield", "Tula Home", "Oak & Ember", "Bright Harbor", "Mizu", "Vela", "Fernway", "Copperline",
    "Haus Linde", "Petit Nord", "Symbol", "Rosefield Studio", "365 Everyday",
)
MODEL_WORDS = (
    "Harper", "Alder", "Bowen", "Cora", "Delphi", "Elin", "Fargo", "Greta", "Hudson", "Isla", "Juno", "Kenton", "Lumen",
    "Mason", "Nolan", "Orla", "Perry", "Quinn", "Rowan", "Sloane", "Tilda", "Uma", "Vance", "Willa", "Xavi", "Yara",
    "Zuri", "Aspen", "Birch", "Cleo", "Dover", "Esme", "Finley", "Gale", "Hollis", "Ives", "Jasper", "Kira", "Lowell",
    "Mercer", "Noor", "Otis", "Piper", "Reese", "Sutton", "Thea", "Ursa", "Vero", "Wren", "Zane",
)
STYLES = ("Modern", "Mid-Century", "Classic", "Rustic", "Contemporary", "Industrial", "Traditional", "Casual", "Boho",
          "Minimalist", "Farmhouse", "Scandinavian")
