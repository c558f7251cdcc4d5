"""A draft of a roster: find adapters, check them against one base model, assign roles and teams."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.inference.backend import EndpointSettings, base_name
from agents.inference.embedded.adapters import CONFIG_FILE, shipped_adapters
from agents.inference.servers.discovery import ServedModel, list_models, open_session
from agents.inference.servers.endpoint import api_headers
from agents.inference.vllm.adapter_folders import read_adapter_folder
from agents.language import Language
from agents.problems import SocietyError, UsageError, nearest
from agents.role import ModelRole
from agents.roster import FOLDER, ModelConfig, Roster

SCHEMA = "roster.schema.json"

_HEAD = {
    Language.EN: """\
# Who takes part: one row per LoRA model. Check this file with: society validate {path}
#   model_id        the model's name in tables and reports
#   model_name      the adapter's name at the server
#   role            leader, follower, competitor, teammate or neutral
#   team_id         a team battle needs two teams
#   specialization  what the prompt says the model is good at; persona: a sentence about the model, for its prompt
#   count: 3        makes three players from one row; policy: tit_for_tat plays a policy instead of a model
# extends: other.yaml builds on another roster: a row with the same model_id changes it, remove: true removes it.
""",
    Language.ZH: """\
# 参与者：每个 LoRA 模型一行。检查此文件：society validate {path}
#   model_id        模型名称，用于表格和报告
#   model_name      适配器在服务器上的名称
#   role            leader（领导者）、follower（追随者）、competitor（竞争者）、teammate（队友）或 neutral（中立）
#   team_id         所属队伍；team_battle 需要两支队伍
#   specialization  提示词中说明模型擅长什么；persona：提示词中对模型的一句介绍
#   count: 3        一行生成三名玩家；policy: tit_for_tat 用脚本策略代替模型
# extends: other.yaml 以另一份名单为基础：相同 model_id 的行修改它，remove: true 删除一行。
""",
}


@dataclass(frozen=True)
class Candidate:
    """An adapter that could take part. An attribute that is not known is None."""

    name: str
    base: str | None = None
    rank: int | None = None
    alpha: float | None = None
    folder: Path | None = None

    def fits(self, base: str) -> bool:
        """Return whether the adapter is made for `base`, or its base is not known."""
        return self.base is None or base_name(self.base) == base_name(base)


@dataclass(frozen=True)
class FoundAdapters:
    """The adapters of a folder or a server, the base models it serves, and a note on each adapter left out."""

    candidates: tuple[Candidate, ...]
    bases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def found_in_folder(folder: Path) -> FoundAdapters:
    """Find the PEFT adapters in `folder`, or the one that `folder` itself is.

    Raises:
        UsageError: There is none.
    """
    configs = [folder / CONFIG_FILE] if (folder / CONFIG_FILE).is_file() else sorted(folder.glob(f"*/{CONFIG_FILE}"))
    candidates, notes = [], []
    for config in configs:
        try:
            adapter = read_adapter_folder(config.parent)
        except SocietyError as error:
            notes.append(str(error))
            continue
        candidates.append(Candidate(adapter.name, adapter.base, adapter.rank, adapter.alpha, adapter.path))
    if not candidates:
        found = "; ".join(notes) or f"no subfolder has an {CONFIG_FILE}; name the folder that PEFT saved to"
        raise UsageError(f"--folder {folder}: {found}")
    return FoundAdapters(tuple(candidates), notes=tuple(notes))


def found_at_endpoint(url: str, api_key_env: str | None = None) -> FoundAdapters:
    """Find the adapters that the server at `url` lists.

    Args:
        url: The server's URL; it ends in `/v1`.
        api_key_env: The variable that has the server's API key.

    Raises:
        SocietyError: No server answers, or it serves no adapter.
    """
    served = asyncio.run(_ask(url, api_key_env))
    bases = tuple(model.name for model in served if model.parent is None)
    candidates = tuple(_served_candidate(model) for model in served if model.parent is not None)
    if not candidates:
        raise SocietyError(
            f"--endpoint {url}: it serves {', '.join(bases) or 'no model'} and no adapter; start vLLM with "
            "--enable-lora --lora-modules NAME=PATH"
        )
    return FoundAdapters(candidates, bases)


async def _ask(url: str, api_key_env: str | None) -> list[ServedModel]:
    async with open_session() as session:
        return await list_models(session, url, api_headers(EndpointSettings(url, api_key_env)))


def _served_candidate(model: ServedModel) -> Candidate:
    """Return an adapter that a server lists, with rank and alpha if its folder is on this machine."""
    root = Path(model.root) if model.root else None
    try:
        adapter = read_adapter_folder(root, model.name) if root is not None and root.is_dir() else None
    except (SocietyError, OSError):
        adapter = None
    return Candidate(model.name, model.parent, adapter.rank if adapter else None, adapter.alpha if adapter else None)


def found_shipped() -> FoundAdapters:
    """Return the shipped adapters."""
    return FoundAdapters(
        tuple(replace(found_in_folder(path).candidates[0], folder=None) for path in shipped_adapters().values())
    )


def only_named(found: FoundAdapters, names: Sequence[str]) -> FoundAdapters:
    """Return the candidates with these names; all if `names` is empty.

    Raises:
        UsageError: A name is not among the candidates.
    """
    by_name = {each.name: each for each in found.candidates}
    for name in names:
        if name not in by_name:
            raise UsageError(f"--adapter {name}: {nearest(name, list(by_name))}")
    return replace(found, candidates=tuple(by_name[name] for name in names)) if names else found


def shared_base(found: FoundAdapters, wanted: str | None) -> str:
    """Return `wanted`, or else the base model that all candidates share.

    Raises:
        UsageError: The candidates have different base models, or none names its base model.
    """
    if wanted:
        return wanted
    by_name: dict[str, str] = {}
    for each in found.candidates:
        if each.base:
            by_name.setdefault(base_name(each.base), each.base)
    if len(by_name) > 1:
        made_for = "; ".join(f"{each.name} is made for {each.base}" for each in found.candidates if each.base)
        raise UsageError(f"the adapters belong to different base models ({made_for}); choose one with --base")
    bases = list(by_name.values()) or list(found.bases)
    if not bases:
        raise UsageError("the adapters do not say which base model they belong to; name it with --base")
    return bases[0]


def only_fitting(found: FoundAdapters, base: str) -> FoundAdapters:
    """Return the candidates made for `base`, with a note on each of the others.

    Raises:
        UsageError: No candidate is made for `base`.
    """
    wrong = tuple(
        f"{each.name} is made for base model {each.base}, not for {base}"
        for each in found.candidates
        if not each.fits(base)
    )
    fit = tuple(each for each in found.candidates if each.fits(base))
    if not fit:
        raise UsageError(f"no adapter fits --base {base}: {'; '.join(wrong)}")
    return FoundAdapters(fit, found.bases, (*found.notes, *(f"left out: {each}" for each in wrong)))


def deal(candidates: Sequence[Candidate], teams: int, roles: Sequence[ModelRole] = ()) -> tuple[ModelConfig, ...]:
    """Return one row per candidate.

    Args:
        candidates: The adapters.
        teams: The number of teams, assigned in turn; 0 for none.
        roles: The roles, assigned in turn. Without any, the first of each team is its leader, the others are teammates.
    """
    rows: list[ModelConfig] = []
    for number, each in enumerate(candidates):
        usual = ModelRole.LEADER if number < max(teams, 1) else ModelRole.TEAMMATE
        rows.append(
            ModelConfig(
                model_id=_free_id(each.name, {row.model_id for row in rows}),
                model_name=each.name,
                role=roles[number % len(roles)] if roles else usual,
                team_id=f"team_{chr(ord('a') + number % teams)}" if teams else None,
                lora_rank=each.rank,
                lora_alpha=each.alpha,
                adapter=str(each.folder) if each.folder else None,
            )
        )
    return tuple(rows)


def _free_id(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^\w.-]+", "_", name.rstrip("/").rsplit("/", 1)[-1])[:56].strip("_.") or "model"
    number = 1
    while (plain if number == 1 else f"{plain}_{number}") in taken:
        number += 1
    return plain if number == 1 else f"{plain}_{number}"


def roster_text(roster: Roster, path: Path, language: Language, schema: str) -> str:
    """Return the text of a roster file with comments.

    Args:
        roster: The roster.
        path: The file that the text is for.
        language: The language of the comments.
        schema: Where an editor finds the JSON Schema.
    """
    from agents.roster_yaml import roster_to_yaml

    head = f"# yaml-language-server: $schema={schema}\n{_HEAD[language].format(path=path)}"
    return roster_to_yaml(roster, head, path.parent)


def schema_place(path: Path, shipped: Path = FOLDER / SCHEMA) -> str:
    """Return where an editor that opens `path` finds a shipped schema: a relative path if both are in one clone."""
    clone = FOLDER.parent.parent
    if path.absolute().is_relative_to(clone):
        return Path(os.path.relpath(shipped, path.absolute().parent)).as_posix()
    return str(shipped)
