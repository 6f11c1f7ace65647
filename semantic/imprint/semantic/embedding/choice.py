"""Which encoder is used: the shipped one, a table of one's own, or a sentence-transformers model."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.semantic.embedding.static import StaticEncoder
from imprint.semantic.embedding.table import read_table
from imprint.semantic.embedding.transformer import ModelMissing, TransformerEncoder

if TYPE_CHECKING:
    from imprint.semantic.embedding.ports import Encoder

STATIC = "static"
_log = logging.getLogger("imprint.semantic")


def open_encoder(name: str | None) -> Encoder:
    """The encoder of a name.

    Args:
        name: None or `static` for the table that is shipped, the path of a `.table` file, or the name or
            folder of a sentence-transformers model. Where that model cannot be had, the log says how to get
            it, and the shipped table is used.

    Raises:
        TableDamaged: the file is not a table.
        OSError: it cannot be read.
    """
    if name is None or name == STATIC:
        return StaticEncoder.shipped()
    if name.endswith(".table"):
        return StaticEncoder(read_table(Path(name)))
    try:
        return TransformerEncoder.open(name)
    except ModelMissing as missing:
        _log.warning("%s; the shipped table is used instead", missing)
        return StaticEncoder.shipped()
