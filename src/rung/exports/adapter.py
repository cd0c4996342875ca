"""The tuned adapter as PEFT reads it, re-scored through transformers and PEFT before it is called the same model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rung.engine.reopen import Reopened
from rung.errors import RungError
from rung.exports.parity import on_disk, refused, rescore, transformers_settings
from rung.exports.tuned import with_program
from rung.store.tuned import TunedRecord
from rung.tuning.workspace import base_of
from rung.types import Candidate, not_alone, weights_of


@dataclass(frozen=True)
class Adapter:
    """The adapter alone: small, and dropped as easily as it is loaded."""

    name: str = "adapter"
    about: str = "the LoRA adapter beside its base, as PEFT loads it"

    def why_not(self, candidate: Candidate) -> str | None:
        if (why := not_alone(candidate)) is not None:
            return why
        return (
            None if weights_of(candidate).form == "adapter" else "all its weights were tuned: export them as `merged`"
        )

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        if dtype is not None:
            raise RungError(
                f"an adapter is exported as it was tuned, in float32, not in {dtype}; `dtype` is for the form `merged`"
            )
        weights = weights_of(candidate)
        base = on_disk(base_of(str(candidate.model), run.clients[str(candidate.model)].settings))
        shutil.copytree(TunedRecord(run.folder.path).checked(weights), out, dirs_exist_ok=True)
        settings = transformers_settings(run, base, Path(base.weights), out)
        found = await rescore(run, label, candidate, self.name, settings)
        if found.refused:
            raise refused(found, "serve it through rung, whose answers were measured")
        alone = await with_program(run, label, candidate, base, out, form=self.name)
        return f"adapter for {base.name}, loaded by transformers and PEFT: {found.sentence}{alone}"


form = Adapter()
