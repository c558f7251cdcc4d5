"""What servers say when they refuse a call, with the cause and the fix: one table for runs, `doctor` and `adapters`.

`explain` finds the first row of `KNOWN_WORDS` that fits an answer. The order matters: what is special comes first. The
words are those of vLLM, SGLang, llama.cpp, Ollama, LM Studio, TGI, LiteLLM and OpenAI.
"""

from __future__ import annotations

from agents.inference.fault import Fault
from agents.inference.servers.refusal import Explanation, KnownWords

__all__ = ["KNOWN_WORDS", "explain"]

LONGEST_WORDS = 2000
"""The characters of a server's message that are looked at."""
_REFUSED = (
    r"(not (currently )?(supported|permitted|allowed|implemented|available)|unsupported|does ?n.t support|"
    r"does not support|unrecogni[sz]ed|unknown|unexpected|extra inputs|extra_forbidden|forbidden|invalid|disallowed)"
)
_GONE = (
    r"(not found|cannot be found|could not be found|does not exist|doesn't exist|do(es)? not have|not loaded|unloaded|"
    r"never been loaded|no longer|unknown|no such|not (currently )?served|not available|is not registered|unregistered|"
    r"invalid model name|no healthy deployments?|no endpoints found|not in the list)"
)


def _server(
    key: str, cause: str, fix: str, *words: str, lasting: bool = False, statuses: tuple[int, ...] = ()
) -> KnownWords:
    return KnownWords(key, Fault.SERVER, cause, fix, words, statuses, lasting)


def _adapter(
    key: str,
    cause: str,
    fix: str,
    *words: str,
    lasting: bool = True,
    names: bool = False,
    statuses: tuple[int, ...] = (),
) -> KnownWords:
    return KnownWords(key, Fault.ADAPTER, cause, fix, words, statuses=statuses, lasting=lasting, names=names)


def _request(key: str, cause: str, fix: str, *words: str) -> KnownWords:
    return KnownWords(key, Fault.REQUEST, cause, fix, words)


def _refused(field: str) -> tuple[str, str]:
    """Return expressions for a refusal of a field: its name within a few words of the refusal, on either side."""
    return (
        rf"(?<![\w-])(?P<field>{field})(?![\w-]).{{0,60}}?{_REFUSED}",
        rf"{_REFUSED}[^.;]{{0,60}}?(?<![\w-])(?P<field>{field})(?![\w-])",
    )


_UNKNOWN = (0, 400, 404, 422, 500)
"""The statuses that servers send for a model they do not have; a busy one sends 429 or 503."""
_LONGER = "vLLM: --max-model-len; SGLang: --context-length; llama.cpp: -c; Ollama: OLLAMA_CONTEXT_LENGTH"

KNOWN_WORDS: tuple[KnownWords, ...] = (
    _server(
        "loading",
        "the server is loading its model",
        "wait until it has; a run waits up to inference.deadline",
        r"\bloading (the )?model\b",
        r"\bmodels?\b.{0,80}\b(is|are) (still |currently |being )*(loading|loaded now|starting|warming up|not ready)\b",
        r"\bstill (loading|starting)\b",
        r"\b(server|service|engine)\b.{0,40}\b(is )?(not ready|warming up|starting up|initiali[sz]ing)\b",
        statuses=(0, 425, 500, 502, 503, 504),
    ),
    _server(
        "out_of_memory",
        "the server has no memory left on its device",
        "start it with less: a shorter context, fewer adapters at once, a smaller share of the device's memory",
        r"out of memory",
        r"OutOfMemoryError",
    ),
    _server(
        "engine_dead",
        "the server's engine has stopped",
        "look at the server's log and start it again",
        r"engine ?(core)? ?(process)?(is|has)? ?(dead|died|stopped)",
        r"EngineDeadError|EngineCore encountered|AsyncEngineDead|background loop has errored",
        r"(runner|worker|scheduler) (process )?(has )?(terminated|died|no longer running)",
    ),
    _server(
        "quota",
        "the account behind the API key has no credit left",
        "add credit, or use another key",
        r"insufficient_quota|exceeded your current quota|budget has been exceeded|credit balance|ExceededBudget",
        lasting=True,
    ),
    _server(
        "key",
        "the server wants an API key, or refuses the one that it got",
        "name the variable that has the key: api_key_env of the endpoint",
        r"(invalid|incorrect|missing|no|malformed).{0,20}\b(api[ _-]?key|token|credentials)\b",
        r"authentication ?error|unauthori[sz]ed|not authenticated",
        lasting=True,
        statuses=(401, 403),
    ),
    _adapter(
        "lora_off",
        "the server was started without LoRA",
        "start it with its adapters: society serve ROSTER (vLLM and SGLang: --enable-lora)",
        r"\bLoRA\b.{0,40}\b(is|was) (not enabled|disabled)",
        r"\b(enable[_-]lora)\b.{0,60}(not|false|must|to use)",
    ),
    _adapter(
        "adapter_rank",
        "the adapter has rank {rank}, and the server was started for {limit} at most",
        "start the server with --max-lora-rank {allowed} (society serve computes it)",
        r"rank (?P<rank>\d+) is (greater|larger) than max_lora_rank (?P<limit>\d+)",
        r"rank[ =]+(?P<rank>\d+).{0,40}?exceeds.{0,40}?max[_ -](lora[_ -])?rank\D{0,10}(?P<limit>\d+)",
    ),
    _adapter(
        "adapter_kind",
        "the adapter has a part that the server cannot load",
        "train it as a plain LoRA; society serve adapters and society validate say which part it is",
        r"\bDoRA\b.{0,40}(not|un)",
        r"modules_to_save",
        r"expected target[_ ]modules in",
        r"unsupported LoRA (weight|module)|unsupported target[_ ]modules",
        r"target[_ ]modules.{0,60}not (supported|compatible)",
        r"LoRA.{0,60}is (not compatible|incompatible) with the current",
    ),
    _adapter(
        "adapter_base",
        "the adapter's shapes are those of another base model",
        "serve it with the base model that it was trained on",
        r"size mismatch for|shape mismatch|shapes? (do|does) not match|The size of tensor .{0,40}must match",
    ),
    _adapter(
        "adapter_files",
        "the server cannot read the adapter's folder",
        "check that the folder exists at the same path on the server's machine, then load the adapter again",
        r"no adapter found for",
        r"(call to )?add_lora (method )?failed",
        r"loading (of )?(the )?lora\b.{0,200}\bfail",
        r"fail\w* to load (the )?(lora|adapter)",
        r"adapter_(config\.json|model\.safetensors)",
    ),
    _adapter(
        "adapter_slots",
        "the server is asked for more adapters at once than it has slots",
        "start it with a larger --max-loras (SGLang: --max-loras-per-batch)",
        r"max_loras?(_per_batch)?\b.{0,80}(exceed|greater|reached|too many|larger)",
        r"(too many|no free|no available|not enough) (lora|adapter)\w* ?(slots?|buffers?|loaded)?",
        lasting=False,
    ),
    _request(
        "context_length",
        "prompt and reply are longer than the server's context",
        f"start the server with a longer context ({_LONGER}), or ask for less: inference.max_tokens, inbox_limit",
        r"(maximum|max|model'?s?|available|exceeds? the|exceeded the)[ _](model[ _])?context[ _](length|size|window)",
        r"context[_ ](length|size|window)[_ ]?(is |has been |was )?exceeded|exceed_context_size",
        r"longer than the (maximum model length|model's context|max)",
        r"(input|prompt|request)\b.{0,60}\b(too long|too large for|exceeds? (the )?(max|context|limit|available))",
        r"(greater|larger|more) than the (model's )?context (length|size)",
        r"must have less than \d+ tokens|`?max_new_tokens`? must be|decoder prompt \(length",
        r"reduce (the )?(length|your prompt)|max_seq_len|maximum (allowed )?number of tokens",
    ),
    _request(
        "system_role",
        "the model's chat template has no system role",
        "serve the model with a chat template that has one (vLLM and SGLang: --chat-template FILE; llama.cpp: "
        "--chat-template-file FILE)",
        r"system (role|messages?|prompts?) (is |are )?(not|un)\w* ?(supported|allowed|permitted)?",
        r"(does not|doesn't|do not) support (the |a )?['\"`]?system['\"`]? (role|messages?|prompts?)",
        r"only user(,| and) (and )?assistant\w*( and tool)? roles",
        r"developer instruction is not enabled",
        r"unexpected role['\"`: ]+system",
    ),
    _request(
        "roles_alternate",
        "the model's chat template wants user and assistant in turn, and may refuse a system message",
        "serve the model with a chat template that has a system role (vLLM and SGLang: --chat-template FILE)",
        r"roles must alternate",
        r"must (start|begin) with (a |the )?['\"`]?user",
        r"(last|final) message must",
    ),
    _request(
        "no_chat_template",
        "the model has no chat template: it is a base model, or its tokenizer lacks one",
        "serve it with one (vLLM and SGLang: --chat-template FILE), or serve an instruct model",
        r"default chat template is no longer allowed",
        r"must provide a chat template",
        r"(no|without a?|does not have a|missing|not have a?) ?chat[ _]template",
        r"chat[_ ]template.{0,40}(is not set|not defined|not found|missing|is none|argument was passed)",
    ),
    _request(
        "tools_refused",
        "the server offers no tools to this model",
        "start it for tools (vLLM: --enable-auto-tool-choice --tool-call-parser NAME; llama.cpp: --jinja), serve a "
        "model that knows tools, or take social_actions out of the scenario",
        r"enable-auto-tool-choice|tool-call-parser",
        r"(does not|doesn't|not) support (tools?|function)",
        r"tools? param.{0,20}requires? --jinja",
        *_refused("tools|tool_choice"),
    ),
    _request(
        "constraint_refused",
        "the server refuses the field {field} that constrains a reply to the legal choices",
        "use a server that has constrained replies (vLLM, SGLang, llama.cpp); society doctor says which form it has",
        *_refused(
            "structured_outputs|guided_choice|guided_regex|guided_json|guided_grammar|guided_decoding_backend|"
            "response_format|json_schema|grammar|regex|ebnf"
        ),
        r"(?P<field>guided decoding|structured outputs?|grammar backend)\b.{0,60}(not|un)\w* ?(supported|enabled)",
        r"failed to (parse|compile|convert|initialize).{0,30}(?P<field>grammar|json[_ ]schema|regex)",
    ),
    _request(
        "logprobs_refused",
        "the server refuses the field {field}, which asks how likely each choice is",
        "nothing to do: a run asks again without it, and choice_probability is missing",
        *_refused("top_logprobs|logprobs"),
    ),
    _request(
        "seed_refused",
        "the server refuses the field seed",
        "leave seeds out of its calls, or use a server that has them",
        *_refused("seed"),
    ),
    _request(
        "max_tokens_refused",
        "the server refuses the field max_tokens and wants max_completion_tokens",
        "use the tier camel, which sends max_completion_tokens: inference.tiers: [camel]",
        r"max_tokens\b.{0,80}use ['\"`]?max_completion_tokens",
    ),
    _request(
        "max_completion_refused",
        "the server refuses the field max_completion_tokens, which the tier camel sends",
        "use the tier http, which sends max_tokens: inference.tiers: [http]",
        *_refused("max_completion_tokens"),
    ),
    _request(
        "max_tokens_refused",
        "the server refuses the field max_tokens, or its value",
        "use the tier camel, which sends max_completion_tokens, or another value of inference.max_tokens",
        *_refused("max_tokens"),
    ),
    _request(
        "sampling_refused",
        "the server refuses the value of {field}",
        "set the value that it wants: inference.{field}, or the row's {field}",
        *_refused("temperature|top_p"),
        r"(?P<field>temperature|top_p)['\"`]? (must be|should be|has to be)",
    ),
    _request(
        "content_filter",
        "a content filter refuses the prompt",
        "use a server without the filter, or other words in personas and tasks",
        r"content management policy|content_?filter|ResponsibleAIPolicy|flagged as|safety (system|policy)",
    ),
    _request(
        "unknown_field",
        "the server refuses a field of the request",
        "use a server that ignores fields that it does not know (LiteLLM: drop_params: true)",
        r"extra inputs are not permitted|extra_forbidden|unrecogni[sz]ed (request )?(argument|field|parameter|key)",
        r"(unknown|unsupported|unexpected) (request )?(field|parameter|argument|keyword|key|params?)\b",
        r"UnsupportedParamsError|unexpected keyword argument|additional properties are not allowed",
    ),
    _request(
        "template_error",
        "the model's chat template fails for this prompt",
        "serve the model with another chat template (vLLM and SGLang: --chat-template FILE)",
        r"jinja|TemplateError|raise_exception|chat template.{0,40}(error|fail)|error rendering prompt",
    ),
    _server(
        "busy",
        "the server has too many calls",
        "nothing to do for a while: calls wait and are tried again; a smaller inference.concurrency helps",
        r"(server|model|service|engine|system)\b.{0,20}\b(is )?(busy|overloaded|at capacity)",
        r"too many (requests|concurrent)|rate[ _]limit|no slots? available|pending requests exceeded|queue is full",
        statuses=(0, 408, 429, 500, 502, 503, 529),
    ),
    _adapter(
        "adapter_unknown",
        "the server has no adapter or model {adapter!r}",
        "load it: society serve adapters load URL FOLDER --name {adapter}, or correct the roster",
        rf"\b(models?|adapters?|loras?|deployments?)\b.{{0,200}}?{_GONE}",
        rf"{_GONE}.{{0,80}}?\b(model|adapter|lora)\b",
        names=True,
        statuses=_UNKNOWN,
    ),
    _adapter(
        "adapter_unknown",
        "the server has no adapter or model {adapter!r}",
        "load it: society serve adapters load URL FOLDER --name {adapter}, or correct the roster",
        r"\bmodel_?not_?found\b",
        r"\b(model|adapter|lora)( you requested)? (was |is )?(not found|does not exist|not loaded)",
        r"no models? (is |are )?(currently )?loaded",
        statuses=_UNKNOWN,
    ),
    _server(
        "upstream",
        "a proxy answers, and the server behind it does not",
        "start the server behind the proxy, or correct the proxy's address of it",
        r"bad gateway|gateway time-?out|no healthy upstream|upstream (connect|request|server)|connection refused",
        statuses=(0, 500, 502, 503, 504, 520, 521, 522, 523, 524),
    ),
)
"""All kinds of refusals, special ones first."""


def explain(status: int, message: str, adapter: str = "") -> Explanation | None:
    """Return what a server's refusal means; None if its words are not known.

    Args:
        status: The HTTP status; 0 if there is none.
        message: What the server says.
        adapter: The name that was asked for.
    """
    words = message[:LONGEST_WORDS]  # a hostile body has megabytes
    for each in KNOWN_WORDS:
        found = each.fits(status, words, adapter)
        if found is not None:
            return each.explained(found, adapter)
    return None
