"""Parameters of the word index. Imports pydantic only."""

from pydantic import Field

from tasks.schema.config import Config


class FieldWeights(Config):
    """How often a word counts that stands in a field; 0 leaves the field out."""

    title: int = Field(2, ge=0, le=20, description="The shop's own title")
    brand: int = Field(2, ge=0, le=20, description="Brand")
    category: int = Field(1, ge=0, le=20, description="Every level of the category's path")
    product_type: int = Field(2, ge=0, le=20, description="What the product is, in words")
    color: int = Field(2, ge=0, le=20, description="Colour")
    material: int = Field(1, ge=0, le=20, description="Material")
    pattern: int = Field(1, ge=0, le=20, description="Pattern")
    attributes: int = Field(1, ge=0, le=20, description="Short values of any further column of the shop")


class LexicalConfig(Config):
    """Which text is indexed, and how a match is scored."""

    weights: FieldWeights = FieldWeights()
    value_weight: int = Field(
        2, ge=0, le=20, description="How often a field's whole value counts ('navy blue' is not 'blue'); 0: not at all"
    )
    k1: float = Field(1.2, gt=0, le=10, description="BM25: how soon further occurrences of a word stop to count")
    b: float = Field(0.3, ge=0, le=1, description="BM25: how much a long text is marked down; shops' texts are short")
