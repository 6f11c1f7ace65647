"""Sentence-transformers models, by name or folder, where the extra `transformers` is installed.

Invariants:
    1. Nothing is downloaded: a model is a folder, or stands in the cache that its own tools filled.
    2. What was encoded is not encoded again after a crash: a run that is given a `Resume` keeps each batch as
       it is done.
    3. A model that is not there is `ModelMissing`, which says how to get it.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imprint.semantic.embedding.ports import Passage, Vectors

BATCH = 32
_PATH_SHARE = 0.3


class ModelMissing(Exception):
    """A model, or the libraries that run it, are not on this machine."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a run keeps what it has done.

    Attributes:
        folder: one file for each batch, named by its content; delete it when the run's vectors are kept
            elsewhere.
    """

    folder: Path

    def load(self, texts: Sequence[str], name: str) -> Vectors | None:
        """The vectors of a batch, if they are whole."""
        try:
            vectors: Vectors = np.load(self._file(texts, name), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return vectors if len(vectors) == len(texts) else None

    def save(self, texts: Sequence[str], name: str, vectors: Vectors) -> None:
        """Keep the vectors of a batch: wholly or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(texts, name)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.save(out, vectors)
        part.replace(file)

    def _file(self, texts: Sequence[str], name: str) -> Path:
        digest = hashlib.sha256("\0".join((name, *texts)).encode()).hexdigest()
        return self.folder / f"{digest}.npy"


class TransformerEncoder:
    """Encodes with a sentence-transformers model, on the GPU if there is one."""

    def __init__(self, name: str, model: Any, batch: int = BATCH) -> None:
        self._name = name
        self._model = model
        self._batch = batch
        self._lock = threading.Lock()

    @classmethod
    def open(cls, name: str, device: str | None = None, batch: int = BATCH) -> TransformerEncoder:
        """Open a model by name or folder.

        Args:
            name: of a model in the local cache, or its folder.
            device: `cpu`, `cuda`; None for the best there is.
            batch: how many texts are encoded at once.

        Raises:
            ModelMissing: it is not here, or the extra is not installed.
        """
        try:
            library = importlib.import_module("sentence_transformers")
        except ImportError:
            raise ModelMissing(
                f"the model {name} needs sentence-transformers: make transformers, "
                f"or install imprint[transformers]"
            ) from None
        try:
            model = library.SentenceTransformer(name, device=device, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ModelMissing(
                f"no model {name} on this machine ({type(error).__name__}): download it where there "
                f"is a network, copy its folder here and give the folder's path"
            ) from error
        return cls(name, model, batch)

    @property
    def name(self) -> str:
        """Which vectors these are: the model's name and how many numbers a vector has."""
        return f"st:{self._name}:{self.dimensions}"

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        measure = getattr(self._model, "get_embedding_dimension", None)
        return int((measure or self._model.get_sentence_embedding_dimension)())

    @property
    def path_share(self) -> float:
        """What a path's nearness is worth beside its passage's."""
        return _PATH_SHARE

    def encode_passages(
        self,
        passages: Sequence[Passage],
        progress: Callable[[int, int], None] = lambda *_: None,
        resume: Resume | None = None,
    ) -> Vectors:
        """One row for each. `progress` is told how many of how many are done, after each batch."""
        texts = [_as_text(passage) for passage in passages]
        return self._encode(texts, progress, resume)

    def encode_paths(self, paths: Sequence[str]) -> Vectors:
        """One row for each path."""
        return self._encode(list(paths))

    def encode_question(self, text: str) -> Vectors:
        """One vector."""
        vector: Vectors = self._encode([text])[0]
        return vector

    def _encode(
        self,
        texts: list[str],
        progress: Callable[[int, int], None] = lambda *_: None,
        resume: Resume | None = None,
    ) -> Vectors:
        said = np.array([[bool(text.strip())] for text in texts], dtype=bool)
        texts = [text if text.strip() else "." for text in texts]  # nothing at all breaks some models
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), self._batch):
            part = texts[start : start + self._batch]
            found = resume.load(part, self.name) if resume else None
            if found is None:
                with self._lock:
                    found = np.asarray(
                        self._model.encode(
                            part, batch_size=self._batch, normalize_embeddings=True, show_progress_bar=False
                        ),
                        np.float32,
                    )
                if resume:
                    resume.save(part, self.name, found)
            vectors[start : start + len(part)] = found * said[start : start + len(part)]
            progress(start + len(part), len(texts))
        return vectors


def _as_text(passage: Passage) -> str:
    return f"{passage.symbol}\n{passage.text}" if passage.symbol else passage.text
