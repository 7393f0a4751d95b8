"""A stand-in for a real shop: a made-up catalogue with rendered images, in the layout of Amazon Berkeley Objects."""

from .export import ShopSummary, build_shop

__all__ = ["ShopSummary", "build_shop"]
