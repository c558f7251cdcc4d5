"""The embedded tier: a small real model with real LoRA adapters in this process, on the CPU.

Requests that wait at the same time are answered in one batch, even if their adapters differ. The backend computes in a
thread of its own, so the event loop never waits for the model. The model is loaded once per process.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock

from agents.inference.backend import Completion, Detection, Progress, Route
from agents.inference.embedded.adapters import SMALL_MODEL, EmbeddedBase, resolve
from agents.inference.embedded.engine import BATCH_ROWS, BatchRow, EmbeddedEngine
from agents.inference.embedded.model_sources import ModelStoreError
from agents.inference.embedded.model_store import model_path, pull
from agents.inference.embedded.tool_choice import call_by_choice
from agents.inference.errors import InferenceError, PermanentError, SetupError
from agents.inference.provenance import Request, Tier

LIBRARIES = ("torch", "transformers", "safetensors")
GATHER_SECONDS = 0.005

_engines: dict[tuple[str, str | None], EmbeddedEngine] = {}  # a model is half a gigabyte or more: one per process
_loading = Lock()


def load_engine(
    progress: Progress | None = None, dtype: str | None = None, base: EmbeddedBase = SMALL_MODEL
) -> EmbeddedEngine:
    """Return the process's engine for `dtype`. The first call pulls and loads the model, which takes seconds.

    Raises:
        ModelStoreError: The model is not stored and cannot be pulled.
        OSError, ValueError: The folder, or the hub, has no model that can be loaded.
    """
    with _loading:
        source = str(pull(progress) if base.stored else base.name)
        if (source, dtype) not in _engines:
            if progress:
                progress(f"loading {base.name}")
            _engines[source, dtype] = EmbeddedEngine(source, dtype, base)
        return _engines[source, dtype]


@dataclass(frozen=True, eq=False)
class Job:
    """One request waiting for its completion."""

    request: Request
    answer: asyncio.Future[Completion]
    asked: float = field(default_factory=time.perf_counter)

    @property
    def free(self) -> bool:
        """Return whether the reply is free text."""
        return not self.request.choices

    def settle(self, outcome: Completion | BaseException) -> None:
        """Set the outcome, from any thread; it is dropped if the caller was cancelled."""
        self.answer.get_loop().call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Completion | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, Completion):
            self.answer.set_result(outcome)
        else:
            self.answer.set_exception(outcome)


class EmbeddedBackend:
    """A base model and LoRA adapters for it, in this process.

    Args:
        dtype: As for EmbeddedModel.
        base: The base model.
    """

    tier = Tier.EMBEDDED

    def __init__(self, dtype: str | None = None, base: EmbeddedBase = SMALL_MODEL) -> None:
        self._dtype, self._base = dtype, base
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded")
        self._waiting: list[Job] = []
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._failure = ""

    async def detect(self) -> Sequence[Detection]:
        """Find the libraries and the model. A model that is not pulled yet counts as available."""
        missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
        if missing:
            return (Detection(self.tier, False, f"{', '.join(missing)} not installed; run `make install`"),)
        if self._base.problem:
            return (Detection(self.tier, False, self._base.problem),)
        name, where = self._base.name, self._where()
        return (Detection(self.tier, True, f"{name} {where}", adapters=self._base.served_names, base_models=(name,)),)

    def _where(self) -> str:
        if not self._base.stored:
            return "is what the scenario names (inference.embedded_model)"
        folder = model_path()
        return f"is stored in {folder}" if folder else "is not stored yet and will be pulled (once, 93 MB)"

    def refuses(self, request: Request) -> str:
        """Return why this tier cannot answer (tools that need not be used, another base model), or an empty text.

        An unknown adapter is no refusal: `complete` raises UnknownAdapterError for it.
        """
        if self._base.problem:
            return self._base.problem
        if request.tools and not request.must_use_tool:
            return f"{self._base.name} cannot call tools where it need not: it has no template for them"
        if request.base_model is None:
            return self._refuses_unplaced(request)
        if self._base.is_named(request.base_model):
            return ""
        there = f"this tier has {self._base.name}; name its model in inference.embedded_model"
        return f"{request.adapter} belongs to base model {request.base_model}, {there}"

    def _refuses_unplaced(self, request: Request) -> str:
        if request.adapter_path is not None:
            return ""
        known = self._base.served_names
        if request.adapter in known or self._base.is_named(request.adapter):
            return ""
        return f"{request.adapter} names no base model and is none of {', '.join(known)}"

    async def prepare(self, progress: Progress | None = None) -> None:
        """Pull and load the model before the first request; `progress` is called in another thread.

        Raises:
            PermanentError: The model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._engine, progress)

    async def complete(self, request: Request, _route: Route | None = None) -> Completion:
        """Return one reply, computed in one batch with other waiting requests.

        Raises:
            UnknownAdapterError: The adapter is not known, or cannot be used.
            PermanentError: The model cannot be loaded, or the prompt is too long for it.
        """
        if request.tools:
            return await call_by_choice(request, self.complete)
        if self._closed:
            raise PermanentError("the embedded tier is closed")
        # raise for an unknown adapter before anything is loaded
        resolve(request.adapter, request.adapter_path, request.base_stated, self._base)
        loop = asyncio.get_running_loop()
        job = Job(request, loop.create_future())
        self._waiting.append(job)
        if self._worker is None or self._worker.done() or self._worker.get_loop() is not loop:
            self._worker = loop.create_task(self._work())
        return await job.answer

    async def aclose(self) -> None:
        """Finish the batch that is computed now and take no more. The model stays loaded in the process."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        left, self._waiting = self._waiting, []
        for job in left:
            job.settle(PermanentError("the embedded tier was closed"))
        if self._worker is not None and self._worker.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._worker])

    # -- the worker -------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Answer waiting requests, batch after batch, until none is left."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(GATHER_SECONDS)
            jobs = self._take()
            if not jobs:
                continue
            running = loop.run_in_executor(self._thread, self._answer, jobs)
            await asyncio.wait([running])
            if error := running.exception():
                for job in jobs:
                    job.settle(_attributed(error))

    def _take(self) -> list[Job]:
        """Take a batch of waiting jobs, all of the kind (talk or choice) that has waited longest."""
        live = [job for job in self._waiting if not job.answer.done()]
        taken = [job for job in live if job.free is live[0].free][:BATCH_ROWS]
        self._waiting = [job for job in live if job not in taken]
        return taken

    def _answer(self, jobs: Sequence[Job]) -> None:
        """Give each job its completion or its own error. Runs in the backend's thread."""
        engine = self._engine(None)
        began = time.perf_counter()
        tried = [(job, _ready(engine, job)) for job in jobs]
        ready = [(job, row) for job, row in tried if row is not None]
        answers = (engine.talk if jobs[0].free else engine.choose)([row for _, row in ready])
        for (job, _), answer in zip(ready, answers, strict=True):
            waited = max(0.0, began - job.asked)
            job.settle(replace(answer, waited=waited) if isinstance(answer, Completion) else answer)

    def _engine(self, progress: Progress | None) -> EmbeddedEngine:
        if self._failure:  # a pull that failed is not tried again for every batch
            raise SetupError(self._failure)
        try:
            return load_engine(progress, self._dtype, self._base)
        except (ModelStoreError, ImportError, OSError, ValueError) as error:
            self._failure = f"the embedded model cannot be loaded: {error}"
            raise SetupError(self._failure) from error


def _ready(engine: EmbeddedEngine, job: Job) -> BatchRow | None:
    """Return the job as a row of a batch; a job that cannot be one gets its own error."""
    try:
        return engine.ready(job.request)
    except InferenceError as error:
        job.settle(error)
        return None


def _attributed(error: BaseException) -> BaseException:
    """Return torch's errors (memory, shapes) as failures of this tier, and any other error as it is."""
    if isinstance(error, (RuntimeError, MemoryError)):
        failure = SetupError(f"the embedded model failed: {error}")
        failure.__cause__ = error
        return failure
    return error
