"""A first scenario: commented, with the game's own settings as comments."""

from __future__ import annotations

from agents.language import Language
from agents.roster_yaml import inline
from simulation.games import find_game

_WORDS = {
    Language.EN: {
        "head": "# What is played. Check this file with: society validate {path}\n"
        "# Every key and its meaning: society schema scenario; the game's rules: society games {game}\n",
        "episodes": "each task is played this often",
        "parameters": "# the game's own settings, with what they are if left out",
        "none": "# the game has no settings of its own",
        "topology": "or ring, star, small_world, scale_free, or pairs of model ids",
        "rounds": "rounds of messages before each decision; 0 is silence",
        "endpoints": "your vLLM servers; without one a small model in this process answers",
        "difficulty": "0 to 1",
    },
    Language.ZH: {
        "head": "# 玩什么。检查此文件：society validate {path}\n"
        "# 所有键及其含义：society schema scenario；游戏规则：society games {game}\n",
        "episodes": "每个任务重复的次数",
        "parameters": "# 游戏自身的设置，以及省略时的取值",
        "none": "# 该游戏没有自身的设置",
        "topology": "或 ring、star、small_world、scale_free，或 model_id 对的列表",
        "rounds": "每次决策前的消息轮数；0 表示沉默",
        "endpoints": "你的 vLLM 服务器；没有时由本进程内的小模型回答",
        "difficulty": "0 到 1",
    },
}


def scenario_text(
    name: str, mode: str, game: str, roster: str, language: Language, comments: Language, path: str, schema: str
) -> str:
    """The text of a scenario file; `language` is the models', `comments` the reader's."""
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
    """The game's settings as commented lines that hold once the `# ` in front is taken away."""
    schema = find_game(game).Parameters.model_json_schema()
    fields = schema.get("properties", {})
    if not fields:
        return f"    {words['none']}\n"
    lines = [f"    {words['parameters']}", "    # parameters:"]
    for key, told in fields.items():
        meaning = " ".join(str(told.get("description", "")).split())
        lines.append(f"    #   {key}: {inline(told.get('default'))}   # {meaning}".rstrip(" #"))
    return "\n".join(lines) + "\n"
