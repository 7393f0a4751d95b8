"""The rows of the token table that a run reads: the rest of it neither learns nor costs anything."""

import torch

from tasks.clip.texts import reads_at_end


class UsedTokens:
    """Leaves ``model``'s token table only the rows of ``tokens`` (int, any shape) until `restore`.

    A row that no text reads has no gradient, and AdamW leaves it as it is where it does not decay, as embeddings never
    do here. Most of a small model's weights are such rows, and so most of what its optimiser would do. Rows keep their
    order, so that the end of a text still has the highest number; a tower that does not go by that keeps them all.
    """

    def __init__(self, model: torch.nn.Module, tokens: torch.Tensor) -> None:
        self._model, self._rows = model, tokens.unique()
        self._whole: torch.nn.Embedding | None = None
        if reads_at_end(model):
            self._whole = model.get_submodule("token_embedding")  # type: ignore[assignment]
            some = self._whole.weight.detach()[self._rows]  # type: ignore[union-attr]
            model.token_embedding = torch.nn.Embedding.from_pretrained(some, freeze=False)

    def renumber(self, tokens: torch.Tensor) -> torch.Tensor:
        """``tokens`` as the model reads them now."""
        return tokens if self._whole is None else torch.searchsorted(self._rows, tokens)

    def restore(self) -> None:
        """Give the model its whole table back, with what the rows in use have learnt."""
        if self._whole is not None:
            learnt = self._model.get_parameter("token_embedding.weight").detach()
            self._whole.weight.data[self._rows] = learnt.to(self._whole.weight.device)
            self._model.token_embedding = self._whole
