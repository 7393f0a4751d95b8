"""Centres of an IVF index in bytes: a search reads all of them, and by the next one they have left the cache."""

from typing import Any

import faiss


def round_centres(ivf: Any) -> Any:
    """The centres of ``ivf`` in bytes, for `replace_centres`; those that its flat quantizer has are rounded to them.

    Vectors are added in between: to flat centres they are assigned by matrix products, to these one by one.
    """
    centres = ivf.quantizer.reconstruct_n(0, ivf.nlist)
    in_bytes = faiss.IndexScalarQuantizer(ivf.d, faiss.ScalarQuantizer.QT_8bit, ivf.metric_type)
    in_bytes.train(centres)
    in_bytes.add(centres)
    ivf.quantizer.reset()
    ivf.quantizer.add(in_bytes.reconstruct_n(0, ivf.nlist))
    return in_bytes


def replace_centres(ivf: Any, in_bytes: Any) -> None:
    """Give ``ivf`` the quantizer ``in_bytes`` for its own."""
    flat, ivf.quantizer = ivf.quantizer, in_bytes
    in_bytes.this.disown()  # the index frees it, as it would have freed the flat one
    flat.this.own(True)
