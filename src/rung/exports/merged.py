"""One whole model: an adapter merged into its base, or fully tuned weights; refused if merging changed the answers."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from rung import plugins
from rung.engine.reopen import Reopened
from rung.exports.parity import on_disk, refused, rescore, transformers_settings
from rung.exports.tuned import with_program
from rung.store.tuned import TunedRecord
from rung.tuning.workspace import base_of
from rung.types import Candidate, not_alone, weights_of


@dataclass(frozen=True)
class Merged:
    """A folder that any server of open weights loads."""

    name: str = "merged"
    about: str = "one whole model in a folder that transformers, vLLM and the like load"

    def why_not(self, candidate: Candidate) -> str | None:
        return not_alone(candidate)

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        weights = weights_of(candidate)
        base = on_disk(base_of(str(candidate.model), run.clients[str(candidate.model)].settings))
        tuned = TunedRecord(run.folder.path).checked(weights)
        if weights.form == "full" and dtype is None:
            shutil.copytree(tuned, out, dirs_exist_ok=True)
            stored = "as tuned"
        else:
            code = plugins.require("rung.tuners.merge", "tune")
            adapter = tuned if weights.form == "adapter" else None
            source = base.weights if adapter is not None else str(tuned)
            stored = await asyncio.to_thread(code.merge, source, adapter, out, dtype)
        found = await rescore(run, label, candidate, f"merged {stored}", transformers_settings(run, base, out, None))
        if found.refused:
            raise refused(
                found,
                "merging rounds to the number format: try float32 (`dtype`), or export the adapter unmerged (form `adapter`)",
            )
        alone = await with_program(run, label, candidate, base, out, form=self.name)
        return f"one model in {stored}, loaded by transformers: {found.sentence}{alone}"


form = Merged()
