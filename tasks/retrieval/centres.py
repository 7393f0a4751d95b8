"""Cell centres quantised to 8 bits: every search reads all of them, and in float32 they would not stay in the cache."""

from typing import Any

import faiss


def quantise_centres(ivf: Any) -> Any:
    """A quantizer of ``ivf``'s centres in 8 bits a number, for `replace_quantizer`.

    The flat quantizer of ``ivf`` stays for adding vectors, with its centres rounded to the same values: FAISS assigns
    vectors to flat centres by matrix products, to 8-bit ones one by one.
    """
    centres = ivf.quantizer.reconstruct_n(0, ivf.nlist)
    quantizer = faiss.IndexScalarQuantizer(ivf.d, faiss.ScalarQuantizer.QT_8bit, ivf.metric_type)
    quantizer.train(centres)
    quantizer.add(centres)
    ivf.quantizer.reset()
    ivf.quantizer.add(quantizer.reconstruct_n(0, ivf.nlist))
    return quantizer


def replace_quantizer(ivf: Any, quantizer: Any) -> None:
    """Make ``quantizer`` the quantizer of ``ivf``."""
    flat, ivf.quantizer = ivf.quantizer, quantizer
    quantizer.this.disown()  # the index frees it, as it would have freed the flat one
    flat.this.own(True)
