"""What a vLLM server sends: completions and errors in its own format, and the number of tokens of a text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web


def completion(
    content: str | None,
    model: str = "stub",
    *,
    prompt_tokens: int = 11,
    cached_tokens: int = 0,
    tool_calls: list[dict[str, Any]] | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Return a chat completion as vLLM 0.32 sends it, cut after `limit` tokens."""
    text, ended = _cut(content, limit)
    counted = len(tokens(text or "")) + ended
    message = {"role": "assistant", "content": None if tool_calls else text, "tool_calls": tool_calls or []}
    reason = "tool_calls" if tool_calls else ("stop" if ended else "length")
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "total_tokens": prompt_tokens + counted,
            "completion_tokens": counted,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        },
    }


def tokens(text: str) -> list[str]:
    """Return the words and punctuation marks of `text`: the tokens of this server."""
    return re.findall(r"\w+|[^\w\s]", text)


def _cut(content: str | None, limit: int | None) -> tuple[str | None, bool]:
    """Return at most `limit` tokens of `content`, and whether it is complete; its end is also a token."""
    ends = [match.end() for match in re.finditer(r"\w+|[^\w\s]", content or "")]
    if content is None or limit is None or len(ends) < limit:
        return content, True
    return content[: ends[limit - 1]], False


def choice_logprobs(text: str, odds: dict[str, float], most: int) -> dict[str, Any]:
    """Return the log probabilities of a reply's tokens, of which a tenth is for tokens that no choice allows."""
    parts = {choice: [*re.findall(r"\s*\w+|\s*[^\w\s]", choice), "<|im_end|>"] for choice in odds}
    rows = []
    for place, token in enumerate(parts[text]):
        open_odds = {choice: odds[choice] for choice in odds if parts[choice][:place] == parts[text][:place]}
        chances = {"The": 0.1}
        for choice, chance in open_odds.items():
            following = parts[choice][place]
            chances[following] = chances.get(following, 0.0) + 0.9 * chance / sum(open_odds.values())
        listed = sorted(chances, key=lambda each: -chances[each])[:most]
        rows.append(
            {**_odds_entry(token, chances[token]), "top_logprobs": [_odds_entry(t, chances[t]) for t in listed]}
        )
    return {"content": rows}


def _odds_entry(token: str, chance: float) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(chance), "bytes": list(token.encode())}


def too_many_logprobs(asked: int, limit: int) -> web.Response:
    said = f"Requested sample logprobs of {asked}, which is greater than max allowed: {limit}"
    return error(400, said, param="logprobs")


def error(code: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> web.Response:
    """Return an error as vLLM sends it."""
    return web.json_response({"error": {"message": message, "type": kind, "param": param, "code": code}}, status=code)


def message_tokens(message: dict[str, Any]) -> list[str]:
    """Return the text that one chat message adds to the prompt."""
    return ["<|im_start|>", str(message["role"]), *tokens(str(message.get("content") or "")), "<|im_end|>"]


def tool_call(body: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return a call of the first tool or of the tool that the request requires; None if it offers no tool."""
    offered = [tool["function"] for tool in body.get("tools") or () if body.get("tool_choice") != "none"]
    insisted = body.get("tool_choice")
    named = insisted["function"]["name"] if isinstance(insisted, dict) else None
    chosen = next((tool for tool in offered if named in (None, tool["name"])), None)
    if chosen is None:
        return None
    arguments = {key: _example(kind) for key, kind in chosen["parameters"].get("properties", {}).items()}
    function = {"name": chosen["name"], "arguments": json.dumps(arguments)}
    return [{"id": "chatcmpl-tool-stub", "type": "function", "function": function}]


def _example(schema: dict[str, Any]) -> Any:
    """Return an example value that a property's schema allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    examples = {"integer": schema.get("minimum", 0), "number": schema.get("minimum", 0), "boolean": False, "array": []}
    return examples.get(schema.get("type", ""), "as scripted")


def unknown_model(name: str, base: str) -> web.Response:
    message = f"The model `{name}` does not exist. Valid aliases: {base}."
    return error(404, message, "NotFoundError", "model")


def too_long(longest: int, prompt: int, limit: int) -> web.Response:
    if limit > longest:
        said = f"max_tokens={limit} cannot be greater than max_model_len={longest}. Please request fewer output tokens."
        return error(400, f"{said} (parameter=max_tokens, value={limit})", param="max_tokens")
    said = (
        f"This model's maximum context length is {longest} tokens. However, you requested {limit} output tokens and "
        f"your prompt contains at least {prompt} input tokens. Please reduce the length of the input prompt."
    )
    return error(400, f"{said} (parameter=input_tokens, value={prompt})", param="input_tokens")


def lora_rank(path: str) -> int | None:
    """Return the rank of the adapter in a folder, or None if there is no adapter."""
    config = Path(path) / "adapter_config.json"
    return int(json.loads(config.read_text()).get("r", 8)) if config.is_file() else None


def token_rows(tokens: Sequence[int], logs: Sequence[float]) -> list[dict[str, dict[str, object]] | None]:
    """Return `prompt_logprobs` as vLLM gives them: nothing for the first token, then each token's own."""
    rows = [{str(token): {"logprob": log, "rank": 1}} for token, log in zip(tokens[1:], logs, strict=True)]
    return [None, *rows]


def rank_too_large(rank: int, limit: int) -> web.Response:
    cause = f"Worker failed with error 'LoRA rank {rank} is greater than max_lora_rank {limit}.'"
    said = f"Call to add_lora method failed: {cause}, please check the stack trace above for the root cause"
    return error(500, said, "InternalServerError")
