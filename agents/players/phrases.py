"""The sentences of scripted players: how each style of speaking announces its plan, in every language.

A sentence names its plan before anything else that could be read as a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from agents.language import Language


class SpeakingStyle(str, Enum):
    """How a scripted player announces its plan."""

    COOPERATE = "cooperate"
    DEFECT = "defect"
    RECIPROCATE = "reciprocate"
    WANDER = "wander"
    FREE_RIDE = "free_ride"
    PUNISH = "punish"
    TAKE = "take"
    SUSTAIN = "sustain"
    RECKON = "reckon"
    MIX = "mix"
    OPINE = "opine"


SENTENCES: Mapping[Language, Mapping[SpeakingStyle, tuple[str, ...]]] = {
    Language.EN: {
        SpeakingStyle.COOPERATE: (
            "I will cooperate and play {plan}; if we all do the same, everyone gains.",
            "My plan is {plan}. Let us work together so that the group earns the most.",
            "You can count on me for {plan}; cooperation pays us all best.",
        ),
        SpeakingStyle.DEFECT: (
            "I play to win: my plan is {plan}, and I put my own payoff first.",
            "I will choose {plan}. This is a competition and I look after myself.",
            "Expect {plan} from me; I take what I can get.",
        ),
        SpeakingStyle.RECIPROCATE: (
            "I answer like with like: now I play {plan}, and next I match what you do.",
            "My plan is {plan}. Cooperate and so will I; take advantage and I will stop.",
            "I go with {plan} and watch you; I return whatever you give.",
        ),
        SpeakingStyle.WANDER: (
            "I keep my options open; this time I lean to {plan}.",
            "No fixed plan from me: I try {plan} now.",
        ),
        SpeakingStyle.FREE_RIDE: (
            "I plan on {plan}; the others will carry the load well enough without me.",
            "I settle for {plan} and take my share of what the rest of you provide.",
        ),
        SpeakingStyle.PUNISH: (
            "I play {plan}. I do my part, and whoever does not do theirs will feel it.",
            "My plan is {plan}; I make those pay who live off the rest of us, even at a cost to me.",
        ),
        SpeakingStyle.TAKE: (
            "I go for {plan}: what I leave, someone else would grab.",
            "My plan is {plan}; I take as much as I can while it lasts.",
        ),
        SpeakingStyle.SUSTAIN: (
            "I keep to {plan}, so that there is as much for us next time.",
            "My plan is {plan}: let us take only what grows back.",
        ),
        SpeakingStyle.RECKON: (
            "By my reckoning {plan} pays me best against what I expect of you.",
            "I choose {plan}; given what you are likely to do, nothing earns me more.",
        ),
        SpeakingStyle.MIX: (
            "I let the odds decide, and this time they say {plan}.",
            "The draw gave me {plan}; nobody can make use of what even I did not know before.",
        ),
        SpeakingStyle.OPINE: (
            "I would say {plan}, all in all.",
            "My answer at the moment is {plan}; tell me yours.",
        ),
    },
    Language.ZH: {
        SpeakingStyle.COOPERATE: (
            "我会合作，选择{plan}；如果大家都这样做，人人受益。",
            "我的计划是{plan}。让我们协同行动，使整体收益最大。",
        ),
        SpeakingStyle.DEFECT: (
            "我要取胜：我的计划是{plan}，先顾自己的收益。",
            "我会选择{plan}。这是竞争，我只为自己打算。",
        ),
        SpeakingStyle.RECIPROCATE: (
            "我以同样的方式回应：这次选择{plan}，下次看你们怎么做。",
            "我的计划是{plan}。你们合作，我就合作；你们占便宜，我就停止。",
        ),
        SpeakingStyle.WANDER: (
            "我没有固定计划，这次倾向于{plan}。",
            "我先试试{plan}。",
        ),
        SpeakingStyle.FREE_RIDE: (
            "我打算选择{plan}；没有我，别人也能撑起来。",
            "我选{plan}，再分享大家提供的好处。",
        ),
        SpeakingStyle.PUNISH: (
            "我选择{plan}。我尽我的本分，不尽本分的会尝到后果。",
            "我的计划是{plan}；谁靠别人养活，我就让谁付出代价，哪怕自己吃亏。",
        ),
        SpeakingStyle.TAKE: (
            "我选{plan}：我留下的，别人也会拿走。",
            "我的计划是{plan}；趁还有，能拿多少拿多少。",
        ),
        SpeakingStyle.SUSTAIN: (
            "我保持{plan}，这样下次大家还有同样多。",
            "我的计划是{plan}：只取能再长出来的部分。",
        ),
        SpeakingStyle.RECKON: (
            "按我的推算，对付你们可能的做法，{plan}对我最有利。",
            "我选择{plan}；考虑到你们可能的做法，没有更好的选择。",
        ),
        SpeakingStyle.MIX: (
            "我听凭概率，这次是{plan}。",
            "抽签的结果是{plan}；连我事先都不知道，别人也无从利用。",
        ),
        SpeakingStyle.OPINE: (
            "总的来说，我的回答是{plan}。",
            "我目前的回答是{plan}；你们的呢？",
        ),
    },
}


NETWORK_SENTENCES: Mapping[Language, tuple[str, ...]] = {
    Language.EN: (
        "I have been thinking about this all day.",
        "Does anyone here know more about it?",
        "That is not how I remember it.",
        "Good to hear. Let us see how it goes on.",
        "I am not sure that this is true.",
        "Here is what I saw today: nothing has changed.",
    ),
    Language.ZH: (
        "这件事我想了一整天。",
        "这里有人知道更多吗？",
        "我记得的不是这样。",
        "这是好消息，看看接下来会怎样。",
        "我不确定这是不是真的。",
        "我今天看到的是：什么都没变。",
    ),
}
"""What a scripted player posts and comments in a social network; no policy of a game has anything to say there."""
