"""Search by an image: the visitor's own, or a product's."""

from dataclasses import replace
from typing import Any

from app.page.notices import message
from app.page.search_state import SearchState
from app.page.tab import SearchTab, Updates, upload_field

EMPTY = message("Search by picture", "Upload, paste or take a picture, or press “More like this” on any product.")


class ImageTab(SearchTab):
    """A field for an image, and what looks like it."""

    name = "picture"

    def build(self) -> None:
        """Make the field."""
        self.upload = upload_field(height=210, elem_id="upload", elem_classes="drop", label="Picture to search by")

    @property
    def fields(self) -> list[Any]:
        """The upload."""
        return [self.upload]

    @property
    def asking(self) -> list[Any]:
        """An image that arrives asks by itself."""
        return [self.upload.input]

    def read(self, state: SearchState, *values: Any) -> SearchState:
        """Another image, the same filters."""
        return replace(state, image=values[0] or "", like="", shown=0)

    def fill(self, state: SearchState) -> Updates:
        """A product's image is shown above the results, so the field becomes empty."""
        return {self.upload: None}
