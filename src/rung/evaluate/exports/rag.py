"""A prompt that answers from documents: what is asked as JSON, and whole chats of dev rows with their passages to port by."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rung.errors import RungError
from rung.evaluate.reopen import Reopened
from rung.rungs._rag_choice import Choice, layout_of
from rung.rungs._rag_layout import TITLE
from rung.rungs._rag_system import bring_to_life
from rung.types import Candidate

CHATS = 20  # dev rows whose chats are written


@dataclass(frozen=True)
class FromDocuments:
    """What the rung `rag` chose. Passages stand in the chats as the model is shown them: without remote links and images."""

    name: str = "rag"
    about: str = "the prompt, how passages are looked for and shown, and chats of dev rows with their passages"

    def why_not(self, candidate: Candidate) -> str | None:
        return None if candidate.rung == "rag" else "it looks nothing up in documents"

    async def write(self, run: Reopened, label: str, candidate: Candidate, out: Path, dtype: str | None) -> str:
        """Write prompt.json and chats.jsonl. Raises RungError where the documents are not at hand any more."""
        if run.library is None:
            raise RungError(f"{label} answers from documents, and {run.folder.path} has none: restore documents.path")
        choice, layout = Choice.of(candidate.settings), layout_of(candidate)
        learned = candidate.learned
        content = {
            "measured_as": f"{label}: {candidate.name}",
            "columns": learned["columns"],
            "messages": learned["messages"],
            "examples": [{"inputs": d["inputs"], "target": d["target"]} for d in learned["demonstrations"]],
            "search": {
                k: v
                for k, v in asdict(choice).items()
                if k in ("k", "whole", "mode", "dense_weight", "chunk_words", "query")
            },
            "layout": {"title": TITLE, "fence": layout.fence, "place": layout.place, "said": layout.words()},
            "remote_links": layout.links,
            "documents_sha256": run.library.sha256,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (out / "prompt.json").write_text(text, encoding="utf-8")
        system = bring_to_life(candidate, run.kit())
        lines = []
        for row in run.split.dev[:CHATS]:
            request, shown = await system.request(row.inputs, await system.passages(row.inputs))
            chat = {
                "id": row.id,
                "messages": [m.as_dict() for m in request.messages],
                "passages": [{"document": s.document, "position": s.position} for s in shown],
            }
            lines.append(json.dumps(chat, ensure_ascii=False) + "\n")
        (out / "chats.jsonl").write_text("".join(lines), encoding="utf-8")
        changed = candidate.settings["library"] != run.library.sha256
        since = "; the documents have changed since it was measured" if changed else ""
        links = "remote links and images kept, as configured" if layout.links else "without remote links and images"
        return f"prompt.json, and chats.jsonl with {len(lines)} dev rows and their passages, {links}; serve it through rung{since}"


form = FromDocuments()
