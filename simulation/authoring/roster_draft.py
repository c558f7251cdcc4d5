"""A first roster from the adapters that are there: found, checked against one base model, dealt roles and teams."""

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
#   model_id        the player's name in tables and reports
#   model_name      the adapter's name at the server
#   role            leader, follower, competitor, teammate or neutral
#   team_id         a team battle needs two teams
#   specialization  what the model is told it is good at; persona: a sentence it is told of itself
#   count: 3        makes three players of a row; policy: tit_for_tat puts a scripted player in place of a model
# extends: other.yaml builds on another roster: rows with a known model_id change it, remove: true takes one out.
""",
    Language.ZH: """\
# 参与者：每个 LoRA 模型一行。检查此文件：society validate {path}
#   model_id        玩家名称，用于表格和报告
#   model_name      适配器在服务器上的名称
#   role            leader（领导者）、follower（追随者）、competitor（竞争者）、teammate（队友）或 neutral（中立）
#   team_id         所属队伍；team_battle 需要两支队伍
#   specialization  告诉模型它擅长什么；persona：告诉模型的一句自我介绍
#   count: 3        一行生成三名玩家；policy: tit_for_tat 用脚本玩家代替模型
# extends: other.yaml 以另一份名单为基础：相同 model_id 的行修改它，remove: true 删除一行。
""",
}


@dataclass(frozen=True)
class Candidate:
    """An adapter that could take part. What is not known of it is None."""

    name: str
    base: str | None = None
    rank: int | None = None
    alpha: float | None = None
    folder: Path | None = None

    def fits(self, base: str) -> bool:
        return self.base is None or base_name(self.base) == base_name(base)


@dataclass(frozen=True)
class Found:
    """The adapters of one place, the base models it serves, and what was passed over, a sentence each."""

    candidates: tuple[Candidate, ...]
    bases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def found_in_folder(folder: Path) -> Found:
    """The PEFT adapters in `folder`, which may be one itself. Raises UsageError where there is none."""
    configs = [folder / CONFIG_FILE] if (folder / CONFIG_FILE).is_file() else sorted(folder.glob(f"*/{CONFIG_FILE}"))
    candidates, notes = [], []
    for config in configs:
        try:
            told = read_adapter_folder(config.parent)
        except SocietyError as error:
            notes.append(str(error))
            continue
        candidates.append(Candidate(told.name, told.base, told.rank, told.alpha, told.path))
    if not candidates:
        found = "; ".join(notes) or f"no subfolder holds an {CONFIG_FILE}; name the folder PEFT saved into"
        raise UsageError(f"--folder {folder}: {found}")
    return Found(tuple(candidates), notes=tuple(notes))


def found_at_endpoint(url: str, api_key_env: str | None = None) -> Found:
    """The adapters the server at `url` lists. Raises SocietyError where none answers or it serves none."""
    served = asyncio.run(_ask(url, api_key_env))
    bases = tuple(model.name for model in served if model.parent is None)
    candidates = tuple(_served_candidate(model) for model in served if model.parent is not None)
    if not candidates:
        raise SocietyError(
            f"--endpoint {url}: it serves {', '.join(bases) or 'no model'} and no adapter; start vLLM with "
            "--enable-lora --lora-modules NAME=PATH"
        )
    return Found(candidates, bases)


async def _ask(url: str, api_key_env: str | None) -> list[ServedModel]:
    async with open_session() as session:
        return await list_models(session, url, api_headers(EndpointSettings(url, api_key_env)))


def _served_candidate(model: ServedModel) -> Candidate:
    """What a server tells of an adapter; its folder is read for rank and alpha where it lies on this machine."""
    root = Path(model.root) if model.root else None
    try:
        told = read_adapter_folder(root, model.name) if root is not None and root.is_dir() else None
    except (SocietyError, OSError):
        told = None
    return Candidate(model.name, model.parent, told.rank if told else None, told.alpha if told else None)


def found_in_the_package() -> Found:
    """The adapters that ship."""
    return Found(
        tuple(replace(found_in_folder(path).candidates[0], folder=None) for path in shipped_adapters().values())
    )


def chosen(found: Found, names: Sequence[str]) -> Found:
    """The candidates of these names. Raises UsageError for a name that is not there."""
    by_name = {each.name: each for each in found.candidates}
    for name in names:
        if name not in by_name:
            raise UsageError(f"--adapter {name}: {nearest(name, list(by_name))}")
    return replace(found, candidates=tuple(by_name[name] for name in names)) if names else found


def base_of(found: Found, told: str | None) -> str:
    """The base model the candidates share, or the one told. Raises UsageError where they differ."""
    if told:
        return told
    spelt: dict[str, str] = {}
    for each in found.candidates:
        if each.base:
            spelt.setdefault(base_name(each.base), each.base)
    if len(spelt) > 1:
        whose = "; ".join(f"{each.name} is made for {each.base}" for each in found.candidates if each.base)
        raise UsageError(f"the adapters belong to different base models ({whose}); choose one with --base")
    bases = list(spelt.values()) or list(found.bases)
    if not bases:
        raise UsageError("the adapters do not say which base model they belong to; name it with --base")
    return bases[0]


def fitting(found: Found, base: str) -> Found:
    """The candidates made for `base`, and a note on each that is not. Raises UsageError where none is."""
    wrong = tuple(
        f"{each.name} is made for base model {each.base}, not for {base}"
        for each in found.candidates
        if not each.fits(base)
    )
    fit = tuple(each for each in found.candidates if each.fits(base))
    if not fit:
        raise UsageError(f"no adapter fits --base {base}: {'; '.join(wrong)}")
    return Found(fit, found.bases, (*found.notes, *(f"left out: {each}" for each in wrong)))


def deal(candidates: Sequence[Candidate], teams: int, roles: Sequence[ModelRole] = ()) -> tuple[ModelConfig, ...]:
    """One row per candidate, dealt to teams in turn. Roles are dealt in turn too; without any, the first of each team
    leads and the others are team-mates."""
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
    """The roster as a commented file at `path`; `schema` is where editors find the schema."""
    from agents.roster_yaml import roster_to_yaml

    head = f"# yaml-language-server: $schema={schema}\n{_HEAD[language].format(path=path)}"
    return roster_to_yaml(roster, head, path.parent)


def schema_place(path: Path, shipped: Path = FOLDER / SCHEMA) -> str:
    """Where an editor that opens `path` finds a shipped schema: from the file where both lie in one clone."""
    clone = FOLDER.parent.parent
    if path.absolute().is_relative_to(clone):
        return Path(os.path.relpath(shipped, path.absolute().parent)).as_posix()
    return str(shipped)
