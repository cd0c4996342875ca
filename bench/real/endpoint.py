"""The fake model behind an OpenAI-compatible address: real HTTP, real rows, abilities that are known exactly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from rung.errors import RefusedByModel
from rung.models.fake import FakeModel
from rung.types import Message, Request


@asynccontextmanager
async def serve(model: FakeModel) -> AsyncIterator[str]:
    """Serve a fake on the loopback interface; yields the base URL."""
    live = model.connect()

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        messages = tuple(Message(m["role"], m["content"]) for m in body["messages"])
        try:
            said = await live.complete(Request(messages, {"max_tokens": body.get("max_tokens", 64)}))
        except RefusedByModel as refusal:
            message = {"role": "assistant", "content": None, "refusal": str(refusal)}
            return web.json_response({"model": model.name, "choices": [{"message": message, "finish_reason": "stop"}]})
        answer = {
            "model": model.name,
            "choices": [{"message": {"role": "assistant", "content": said.text}, "finish_reason": said.finish}],
            "usage": {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens},
        }
        return web.Response(body=json.dumps(answer).encode(), content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()
