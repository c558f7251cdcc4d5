"""A draft of a roster: find adapters, check them against one base model, assign roles and teams."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agents.adapter_sources import Candidate, FoundAdapters
from agents.language import Language
from agents.problems import UsageError, nearest
from agents.role import ModelRole
from agents.roster import FOLDER, ModelConfig, Roster, rows_for

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
#   model_name      适配器的服务名称
#   role            leader（领导者）、follower（跟随者）、competitor（竞争者）、teammate（队友）或 neutral（中立）
#   team_id         所属团队；team_battle 需要两个团队
#   specialization  提示词中说明模型擅长什么；persona：提示词中对模型的一句介绍
#   count: 3        一行生成三名玩家；policy: tit_for_tat 用脚本策略代替模型
# extends: other.yaml 以另一份名册为基础：相同 model_id 的行修改它，remove: true 删除一行。
""",
}


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
    if len(found.adapter_bases) > 1:
        made_for = "; ".join(f"{each.name} is made for {each.base}" for each in found.candidates if each.base)
        raise UsageError(f"the adapters belong to different base models ({made_for}); choose one with --base")
    bases = found.adapter_bases or found.bases
    if not bases:
        raise UsageError("the adapters do not say which base model they belong to; name it with --base")
    return bases[0]


def only_fitting(found: FoundAdapters, base: str, insisted: Sequence[str] = ()) -> FoundAdapters:
    """Return the candidates made for `base`, with a note on each of the others.

    Args:
        found: The candidates.
        base: The base model.
        insisted: Names that the user gives together with the base: they count as made for it.

    Raises:
        UsageError: No candidate is made for `base`.
    """
    stated = tuple(
        f"{each.name} names the base model {each.base}; taken for {base}"
        for each in found.candidates
        if each.name in insisted and not each.fits(base)
    )
    found = replace(
        found,
        candidates=tuple(
            replace(each, base=base, base_stated=True) if each.name in insisted and not each.fits(base) else each
            for each in found.candidates
        ),
        notes=(*found.notes, *stated),
    )
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
    rows = []
    for number, row in enumerate(rows_for(candidates)):
        usual = ModelRole.LEADER if number < max(teams, 1) else ModelRole.TEAMMATE
        role = roles[number % len(roles)] if roles else usual
        team_id = f"team_{chr(ord('a') + number % teams)}" if teams else None
        rows.append(row.model_copy(update={"role": role, "team_id": team_id}))
    return tuple(rows)


def dealt(rows: Sequence[ModelConfig], teams: int, roles: Sequence[ModelRole] = ()) -> tuple[ModelConfig, ...]:
    """Return rows of people with the teams and roles asked for, assigned in turn; without any, as they are."""
    return tuple(
        row.model_copy(
            update={
                **({"team_id": f"team_{chr(ord('a') + number % teams)}"} if teams else {}),
                **({"role": roles[number % len(roles)]} if roles else {}),
            }
        )
        for number, row in enumerate(rows)
    )


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
