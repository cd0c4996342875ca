"""LangChain's client against the server: a whole answer, a stream with usage, a batch, and an error as OpenAI writes it."""

import asyncio
import json
import os
import subprocess

import pytest

from tests.unit.test_export_others import tools as tools  # a Python that has LangChain, or a skip
from tests.unit.test_serve import served

ASKING = """
import json, sys
from langchain_openai import ChatOpenAI
chat = ChatOpenAI(base_url=sys.argv[1], model="routing", api_key="x", max_retries=0, stream_usage=True)
one = chat.invoke("hello")
parts = list(chat.stream("cut"))
try:
    chat.invoke("refuse")
    refused = None
except Exception as error:
    refused = [error.status_code, error.body["code"]]
print(json.dumps({
    "one": [one.content, one.usage_metadata["total_tokens"], one.response_metadata["finish_reason"]],
    "stream": ["".join(p.content for p in parts), sum(p.usage_metadata["total_tokens"] for p in parts if p.usage_metadata)],
    "batch": [m.content for m in chat.batch([f"t{n}" for n in range(20)])],
    "refused": refused,
}))
"""


@pytest.mark.slow
def test_langchain_gets_answers_streams_and_errors(tools):
    async def work():
        async with served() as (_, _session, url):
            return await asyncio.to_thread(
                subprocess.run,
                [tools, "-c", ASKING, url],
                capture_output=True,
                text=True,
                check=False,
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            )

    done = asyncio.run(work())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "one": ["<hello>", 10, "stop"],
        "stream": ["<cut>", 10],
        "batch": [f"<t{n}>" for n in range(20)],
        "refused": [422, "refused_by_model"],
    }
