"""Train only those rows of the token embedding that occur in the texts."""

import torch

from tasks.clip.texts import reads_at_end


class TrimmedVocabulary:
    """Reduces ``model``'s token embedding to the rows of ``tokens`` (int, any shape) until `restore`.

    A row that occurs in no text has no gradient, and without weight decay (which embeddings never have here) AdamW does
    not change it. Most of a small model's weights are such rows, and so is most of its optimiser's work. Rows keep
    their order, so that the end of a text still has the highest number; a tower that does not rely on that keeps all
    rows.
    """

    def __init__(self, model: torch.nn.Module, tokens: torch.Tensor) -> None:
        self._model, self._rows = model, tokens.unique()
        self._whole: torch.nn.Embedding | None = None
        if reads_at_end(model):
            self._whole = model.get_submodule("token_embedding")  # type: ignore[assignment]
            some = self._whole.weight.detach()[self._rows]  # type: ignore[union-attr]
            model.token_embedding = torch.nn.Embedding.from_pretrained(some, freeze=False)

    def renumber(self, tokens: torch.Tensor) -> torch.Tensor:
        """``tokens`` in the numbering of the reduced embedding."""
        return tokens if self._whole is None else torch.searchsorted(self._rows, tokens)

    def restore(self) -> None:
        """Restore the whole embedding, with the trained rows in it."""
        if self._whole is not None:
            learnt = self._model.get_parameter("token_embedding.weight").detach()
            self._whole.weight.data[self._rows] = learnt.to(self._whole.weight.device)
            self._model.token_embedding = self._whole
