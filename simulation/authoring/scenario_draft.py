"""A draft of a scenario: with comments, and with the game's parameters as comments."""

from __future__ import annotations

from agents.language import Language
from agents.roster_yaml import inline
from simulation.games import find_game

_WORDS = {
    Language.EN: {
        "head": "# What is played. Check this file with: society validate {path}\n"
        "# Every key and its meaning: society new schema scenario; the game's rules: society show {game}\n",
        "episodes": "how often each task is played",
        "parameters": "# the game's parameters, with their defaults",
        "none": "# the game has no parameters",
        "topology": "or ring, star, small_world, scale_free, or pairs of model ids",
        "rounds": "rounds of messages before each decision; 0 for no messages",
        "endpoints": "your vLLM servers; if none answers, a small model in this process does",
        "difficulty": "0 to 1",
    },
    Language.ZH: {
        "head": "# 玩什么。检查此文件：society validate {path}\n"
        "# 所有键及其含义：society new schema scenario；游戏规则：society show {game}\n",
        "episodes": "每个任务重复的次数",
        "parameters": "# 游戏的参数及其默认值",
        "none": "# 该游戏没有参数",
        "topology": "或 ring、star、small_world、scale_free，或 model_id 对的列表",
        "rounds": "每次决策前的消息轮数；0 表示不发消息",
        "endpoints": "你的 vLLM 服务器；都不应答时由本进程内的小模型回答",
        "difficulty": "0 到 1",
    },
}


def scenario_text(
    name: str, mode: str, game: str, roster: str, language: Language, comments: Language, path: str, schema: str
) -> str:
    """Return the text of a scenario file.

    Args:
        name: The scenario's name.
        mode: Its mode.
        game: The `task_type` of its one task.
        roster: The name or the path of its roster.
        language: The language of prompts and messages.
        comments: The language of the comments.
        path: The file that the text is for.
        schema: Where an editor finds the JSON Schema.
    """
    words = _WORDS[comments]
    return f"""\
# yaml-language-server: $schema={schema}
{words["head"].format(path=path, game=game)}
name: {inline(name)}
mode: {mode}
roster: {inline(roster)}
seed: 1
episodes: 2   # {words["episodes"]}
language: {language.value}

tasks:
  - task_id: {game}
    task_type: {game}
    difficulty: 0.5   # {words["difficulty"]}
    reward_pool: 100
    cooperation_level: 0.5
    max_steps: 5
{_parameters(game, words)}
communication:
  topology: complete   # {words["topology"]}
  talk_rounds: 1   # {words["rounds"]}

inference:
  endpoints: [http://localhost:8001/v1]   # {words["endpoints"]}
  max_tokens: 48
  temperature: 0.7
"""


def _parameters(game: str, words: dict[str, str]) -> str:
    """Return the game's parameters as comments; they are valid YAML once the leading `# ` is removed."""
    schema = find_game(game).Parameters.model_json_schema()
    fields = schema.get("properties", {})
    if not fields:
        return f"    {words['none']}\n"
    lines = [f"    {words['parameters']}", "    # parameters:"]
    for key, field in fields.items():
        meaning = " ".join(str(field.get("description", "")).split())
        lines.append(f"    #   {key}: {inline(field.get('default'))}   # {meaning}".rstrip(" #"))
    return "\n".join(lines) + "\n"
