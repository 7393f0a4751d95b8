"""The few words a listing needs in German, Spanish, French, Italian and Japanese."""

from __future__ import annotations

LANGUAGES = ("de_DE", "es_ES", "fr_FR", "it_IT", "ja_JP")
_ORDER = ("de", "es", "fr", "it", "ja")


def _table(text: str) -> dict[str, dict[str, str]]:
    """word -> language -> translation, from lines "word|de|es|fr|it|ja"."""
    rows = (line.split("|") for line in text.strip().splitlines())
    return {row[0]: dict(zip(_ORDER, row[1:], strict=True)) for row in rows}


NOUNS = _table("""
CELLULAR_PHONE_CASE|Handyhülle|Funda para móvil|Coque de téléphone|Custodia per cellulare|スマホケース
SHOES|Schuhe|Zapatos|Chaussures|Scarpe|シューズ
CHAIR|Stuhl|Silla|Chaise|Sedia|椅子
SOFA|Sofa|Sofá|Canapé|Divano|ソファ
TABLE|Tisch|Mesa|Table|Tavolo|テーブル
HANDBAG|Handtasche|Bolso|Sac à main|Borsa|ハンドバッグ
RUG|Teppich|Alfombra|Tapis|Tappeto|ラグ
DRINKING_CUP|Becher|Taza|Tasse|Tazza|カップ
LAMP|Lampe|Lámpara|Lampe|Lampada|ランプ
PILLOW|Kissen|Cojín|Coussin|Cuscino|クッション
SHIRT|Hemd|Camisa|Chemise|Camicia|シャツ
BOOT|Stiefel|Bota|Botte|Stivale|ブーツ
VASE|Vase|Jarrón|Vase|Vaso|花瓶
HAT|Hut|Sombrero|Chapeau|Cappello|帽子
BACKPACK|Rucksack|Mochila|Sac à dos|Zaino|リュック
SANDAL|Sandale|Sandalia|Sandale|Sandalo|サンダル
WALL_ART|Wandbild|Cuadro|Tableau|Quadro|アートパネル
CLOCK|Uhr|Reloj de pared|Horloge|Orologio da parete|時計
OTTOMAN|Hocker|Puf|Pouf|Pouf|オットマン
STOOL_SEATING|Barhocker|Taburete|Tabouret|Sgabello|スツール
BED|Bett|Cama|Lit|Letto|ベッド
SUITCASE|Koffer|Maleta|Valise|Valigia|スーツケース
CABINET|Schrank|Armario|Armoire|Armadio|キャビネット
LIGHT_FIXTURE|Hängeleuchte|Lámpara de techo|Suspension|Lampadario|照明
WATCH|Armbanduhr|Reloj|Montre|Orologio|腕時計
SUNGLASSES|Sonnenbrille|Gafas de sol|Lunettes de soleil|Occhiali da sole|サングラス
HEADPHONES|Kopfhörer|Auriculares|Casque audio|Cuffie|ヘッドホン
COOKWARE|Topf|Cazuela|Casserole|Pentola|鍋
BOTTLE|Flasche|Botella|Bouteille|Bottiglia|ボトル
MIRROR|Spiegel|Espejo|Miroir|Specchio|ミラー
PLANTER|Blumentopf|Maceta|Pot de fleurs|Fioriera|植木鉢
SHELF|Regal|Estantería|Étagère|Scaffale|棚
BASKET|Korb|Cesta|Panier|Cesto|バスケット
UMBRELLA|Schirm|Sombrilla|Parasol|Ombrellone|傘
""")
COLOR_WORDS = _table("""
Black|Schwarz|Negro|Noir|Nero|ブラック
White|Weiß|Blanco|Blanc|Bianco|ホワイト
Grey|Grau|Gris|Gris|Grigio|グレー
Red|Rot|Rojo|Rouge|Rosso|レッド
Blue|Blau|Azul|Bleu|Blu|ブルー
Green|Grün|Verde|Vert|Verde|グリーン
Yellow|Gelb|Amarillo|Jaune|Giallo|イエロー
Orange|Orange|Naranja|Orange|Arancione|オレンジ
Brown|Braun|Marrón|Marron|Marrone|ブラウン
Beige|Beige|Beige|Beige|Beige|ベージュ
Pink|Rosa|Rosa|Rose|Rosa|ピンク
Purple|Lila|Morado|Violet|Viola|パープル
Metallic|Metallic|Metálico|Métallisé|Metallizzato|メタリック
""")
MATERIAL_WORDS = _table("""
leather|Leder|Cuero|Cuir|Pelle|レザー
velvet|Samt|Terciopelo|Velours|Velluto|ベルベット
linen|Leinen|Lino|Lin|Lino|リネン
cotton|Baumwolle|Algodón|Coton|Cotone|コットン
wool|Wolle|Lana|Laine|Lana|ウール
polyester|Polyester|Poliéster|Polyester|Poliestere|ポリエステル
wood|Holz|Madera|Bois|Legno|木製
rattan|Rattan|Ratán|Rotin|Rattan|ラタン
ceramic|Keramik|Cerámica|Céramique|Ceramica|陶器
glass|Glas|Vidrio|Verre|Vetro|ガラス
stone|Stein|Piedra|Pierre|Pietra|石
metal|Metall|Metal|Métal|Metallo|メタル
plastic|Kunststoff|Plástico|Plastique|Plastica|プラスチック
paper|Papier|Papel|Papier|Carta|紙
""")
PATTERN_WORDS = _table("""
striped|gestreift|a rayas|à rayures|a righe|ストライプ
polka dot|gepunktet|lunares|à pois|a pois|水玉
floral|Blumenmuster|floral|à fleurs|floreale|花柄
plaid|kariert|a cuadros|à carreaux|scozzese|チェック
geometric|geometrisch|geométrico|géométrique|geometrico|幾何学
leopard|Leopardenmuster|leopardo|léopard|leopardato|ヒョウ柄
camo|Camouflage|camuflaje|camouflage|mimetico|迷彩
marble print|Marmormuster|efecto mármol|effet marbre|effetto marmo|大理石柄
ombre|Farbverlauf|degradado|dégradé|sfumato|グラデーション
""")
