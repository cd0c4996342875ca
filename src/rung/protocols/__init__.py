"""The seams: what a plugin must offer (Provider, Metric, Retriever, Tuner, Rung) and what it is given (Kit and its parts).

A plugin is one frozen pydantic settings model in one file: its fields are its settings, it holds no state, and what it
learns it returns. `rung.testing` checks the promises that show without a climb.
"""

from rung.protocols.documents import DocumentIndex, DocumentStore, EmbeddingIndex, JudgedIndex, Retriever
from rung.protocols.kit import AnsweringKit, Deciding, Forgiving, Judge, Kit, Metric, Refits, Rung, System
from rung.protocols.models import Model, Provider, TokenModel, Tunable
from rung.protocols.tuning import RegressionSuite, Sent, Tuner, TuningRun, TuningSpace

__all__ = [
    "AnsweringKit",
    "Deciding",
    "DocumentIndex",
    "DocumentStore",
    "EmbeddingIndex",
    "Forgiving",
    "Judge",
    "JudgedIndex",
    "Kit",
    "Metric",
    "Model",
    "Provider",
    "Refits",
    "RegressionSuite",
    "Retriever",
    "Rung",
    "Sent",
    "System",
    "TokenModel",
    "Tunable",
    "Tuner",
    "TuningRun",
    "TuningSpace",
]
