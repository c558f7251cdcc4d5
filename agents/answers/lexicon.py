"""The words that the reader of answers knows, in English and Chinese (simplified, after `plain`)."""

from __future__ import annotations

import re
import unicodedata

TRANSLATIONS = (
    ("cooperate", "合作"),
    ("defect", "背叛"),
    ("compete", "竞争"),
    ("balance", "平衡"),
    ("swerve", "避让"),
    ("dare", "硬闯"),
    ("stag", "猎鹿"),
    ("hare", "猎兔"),
    ("check", "过牌"),
    ("bet", "下注"),
    ("call", "跟注"),
    ("fold", "弃牌"),
    ("left", "左"),
    ("right", "右"),
    ("wait", "等待"),
    ("accept", "接受"),
    ("reject", "拒绝"),
)
"""Options of the games in both languages; a model may answer in the other one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRADITIONAL = str.maketrans(
    "選擇決應該會將為這個麼與來於還終後競爭衛讓闖獵過註絕貢獻價給點單採綜總對經處於輪選項從則願傾約",
    "选择决应该会将为这个么与来于还终后竞争卫让闯猎过注绝贡献价给点单采综总对经处于轮选项从则愿倾约",
)
NUMBER_WORDS = {
    word: value
    for value, words in enumerate(
        (
            *("zero 零", "one 一", "two 二 两", "three 三", "four 四", "five 五", "six 六", "seven 七", "eight 八"),
            *("nine 九", "ten 十", "eleven 十一", "twelve 十二", "thirteen 十三", "fourteen 十四", "fifteen 十五"),
            *("sixteen 十六", "seventeen 十七", "eighteen 十八", "nineteen 十九", "twenty 二十"),
        )
    )
    for word in words.split()
} | {"thirty": 30, "三十": 30, "forty": 40, "四十": 40, "fifty": 50, "五十": 50, "hundred": 100, "一百": 100}
COMMON_NUMBERS = {"one", "一", "hundred"}
"""Number words that mean something else in most sentences; they are read only where nothing else is said."""

SUBJECTS = _words(
    """
    i i'm i'll i'd i've we we'll we're we'd my our me us let let's lets mine 我 我们 咱们 本人 我方 让我们 让咱们
    """
)
"""Words that make a clause the player's own."""
NOUNS = _words(
    """
    answer choice decision action move option strategy response selection pick vote play reply output 答 答案 答复
    回答 选择 选项 决定 决策 行动 策略 方案 做法 结论 选
    """
)
"""What a decision is called; with one of them a clause needs no subject."""
WEAK = _words(
    """
    would i'd we'd want like prefer should rather willing ready 想 想要 希望 愿意 应该 应当 更愿意
    """
)
"""Words of a wish: it decides if nothing stronger does and no "but" follows."""
FINAL = _words("final finally conclusion 最终 最后")
"""Words that mark the last word on the matter."""
_PLAIN = _words(
    """
    will shall am is are be to go going gonna with for on upon in the a an of that this it it's these have has made
    make making decided decide choose chose chosen choosing select selected selecting picked picking opt opting
    opted voting playing answering say stick sticking commit committing intend plan here so then therefore thus
    hence now and also still again always simply just only definitely certainly surely gladly happily fully
    confidently firmly clearly obviously ok okay well yes sure alright think believe best right optimal rational
    wise wisest safest better good correct round turn step time moment current case
    situation as overall must do hereby today
    continue keep stay by course honestly personally ultimately throw hunt 会 将 要 就 都 也 再次 再 先 然后 那么 那
    好的 好 嗯 是 为 的 了 于 在 综上所述 综上 总之 总的来说 综合考虑 经过考虑 经过思考 思考后 考虑后 本轮 这一轮
    这轮 此轮 这次 本次 此次 本回合 这一步 这里 现在 目前 此时 所以 因此 选定 采取 执行 坚持 继续 直接 果断 坚决
    依然 仍然 仍 还是 必须 打算 准备 决心 一起 共同 主动 坚定 始终 一直 当然 肯定 一定 毫不犹豫 地 最好 最佳 最优
    理性 明智 正确 认为 觉得 相信 做出 作出 而 并 且 如下 去 来 选取 选用 往 向 走
    """
)
NUMBER_VERBS = _words(
    """
    contribute contributing contribution bid bidding offer offering take taking harvest harvesting guess guessing
    give giving invest investing put putting in send sending extract extracting catch catching fish fishing estimate
    estimating pay paying propose proposing demand demanding claim claiming request requesting return returning
    allocate allocating donate donating spend submit submitting amount number value price name 贡献 出价 报价 投入
    拿 取 拿走 给 给出 出 提供 猜 猜测 估计 押 投 捐 捐出 分配 索取 要求 提议 金额 数量 数字 数值 数额 贡献额 贡献值
    出价额 我出 付 支付 返还 收获 捕捞 捕
    """
)
"""Words before a number that make it the decision."""
ALLOWED = SUBJECTS | NOUNS | WEAK | FINAL | _PLAIN
"""Every word that may stand before a decision. None of them negates, doubts or speaks of somebody else."""
COMPANY = re.compile(
    r"(?:与|和|跟|同)(?:对方|对手|大家|其他人|你们|你|他们|她们|他|她|伙伴|队友|所有人|各位)(?:一起|共同)?"
)
"""Chinese for "with the others"."""

STARTERS = _words(
    """
    since because as given after for in with based considering to although though despite while regardless even of
    seeing knowing by on at ok okay well yes sure alright overall first finally now here 因为 由于 既然 考虑到 鉴于
    根据 基于 为了 虽然 尽管 即使 无论 不管 综上 总之 作为 经过 好的 好
    """
)
"""Words by which a phrase begins that only leads to the decision after its comma."""
REASONS = _words(
    """
    because since although though while whereas unlike despite than whether 因为 由于 既然 虽然 尽管 即使 无论 不管
    除了
    """
)
"""Words by which a clause begins that decides nothing itself."""
LEADS_ON = _words("so therefore thus hence 所以 因此 因而 于是 故")
"""Words after which a bare option is a decision."""
TURNS = _words("but however yet 但 但是 不过 然而 可是 可")
CONDITIONS = re.compile(
    r"\b(?:if|unless|when|whenever|provided|providing|assuming|depend(?:s|ing)?|until|suppose|supposing|in case"
    r"|as long as|so long as|as soon as|as much as|on (?:the )?condition|only after|once(?! again| more)|otherwise"
    r"|had (?:i|we|they|he|she)|were (?:i|we|they|he|she))\b"
    r"|如果|假如|假设|若|要是|只要|只有|除非|一旦|倘若|视情况|取决于|看情况|直到|否则|的话|前提是|条件是"
    r"|(?<!同)(?<!此)(?<!届)时候?(?=[,。])"
)
NO_CONDITION = re.compile(
    r"\b(?:even if|even when|no matter (?:if|when|what)|regardless of (?:if|when|whether)|whether or not"
    r"|if (?:i|we) (?:must|have to|had to|need to|am to|are to) (?:choose|pick|decide|answer|select)(?: one| now)?,?"
    r"|if (?:i am|i'm) honest|when in doubt)\b|即使如果|若必须选择?|如果(?:一定要|非要|必须)我?选择?(?:一个)?"
)
"""Phrases with a condition's word that set no condition."""
DOUBTS = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|i guess|i suppose|not sure|unsure|undecided|or not|or so|or maybe"
    r"|with (?:an? )?(?:\d[\d.]*\s*%?\s*)?(?:probability|chance)|half (?:of )?the time|sometimes"
    r"|most of the time|some of the time|or something|who knows|until|alternat\w+"
    r"|let me (?:think|see|check|consider)|hold on"
    r"|in (?:theory|principle|most cases|an? (?:ideal|perfect) world|the (?:past|future|endgame|end|long run))"
    r"|to a point|every other (?:round|turn|step)|at (?:the )?(?:most|least)|at (?:first|the very end)"
    r"|or (?:more|less|higher|lower|better)"
    r"|(?:in|on|from|for|with) (?:the )?(?:next|later|future|upcoming|odd|even|first (?:two|three|few|\d+)) "
    r"(?:rounds?|turns?|steps?|moments?)|in (?:response|retaliation|exchange|return)|(?:after|before) you"
    r"|then (?:i|copy|mirror|switch|see|follow|repeat|do|play|react|punish|adapt|decide|wait))\b"
    r"|\d\s*%|也许|可能|大概|或许|不确定|以上|以下|以内|左右|吗|么(?=$|[?,。])|概率|有时"
)
"""Words after an option that take the decision back."""
LATER = re.compile(
    r"\b(?:and|then|later|afterwards?|next|first|eventually|end|second|another|rounds|until|or)\b"
    r"|\blast\b(?! (?:time|round|turn|step)\b(?!.*\b(?:will|'ll)\b))"
    r"|再|然后|接着|之后|后来|最后|(?<!上一)(?<!上)(?<!这一)(?<!这)(?<!本)[轮次]|第|或"
)
"""Words of other moments and of other options: near an option they make a plan of several parts, or an alternative."""
EXCUSED = re.compile(
    r"\b(?:not|no|never|none|nor|cannot|without|avoid|prevent|against|instead|rather|than|over|fear|risk|may|might"
    r"|could|would|can|like)\b|n't\b|不|没|别|避免|防止|害怕|担心|可能|而非"
)
"""Words by which an option that is named after the decision is no part of it."""
REST = re.compile(r"\b(?:of|leaving|leave|keeping|keep|left|from)\b|剩|留|中")
"""Words before the number of which a part is given, or that remains."""
TAKEN_BACK = re.compile(
    r"\b(?:just kidding|kidding|joking|psych|on second thoughts?|scratch that|wait,? no|actually,? no|never ?mind"
    r"|i lied|(?:i )?changed? my mind|correction|no,? wait|strike that|hmm,? no|or rather)\b"
    r"|(?:^|[.!?。\n])\s*(?:(?:not|no|nope|psyche)\s*(?:[.!?。]|$)|no,)|不对|等等|开玩笑|算了|改变主意|更正|不,"
)
"""What takes back everything before it."""
FOLLOWS = re.compile(
    r"\s*(?:$|#(?=[a-z])|[,:;)\]}\"'—–!。、(]|-{1,3}\s|\.{1,3}(?!\d)"
    r"|(?:because|since|as|for|so|to|with|in|on|at|now|this|here|again|and|but|too|also|rather|instead|over|not|while"
    r"|given|due|even|regardless|no matter|by|every|today|together|then|first|although|though|if|unless|when|than"
    r"|before|after|is it|it is|against|toward|towards|out of|of (?:my|the|our|\d)"
    r"|(?:strategy|option|action|move|choice)(?=\s*(?:$|[,;:!.)]|because|since|as\b|for\b|so\b))"
    r"|(?:the|your|his|her|their) (?:offer|proposal|deal|split|terms)"
    r"(?=\s*(?:$|[,;:!.]|because|since|as\b|for\b|of \d))"
    r"|points?|tokens?|units?|coins?|dollars?|credits?|fish|tons?|tonnes?|into|from|per|\w+ly|please|thanks?|thank)\b"
    r"|因为|以(?!及|外)|来(?!说)|吧|了(?!吗)|啊|呀|哦|策略|行动|选项|到底|下去|而不是|而非|而不"
    r"|的(?:选择|策略|方案|行动|决定|方式)(?=$|[,:、。)])|(?:对方|对手|他们?|她们?|你们?)(?=$|[,。])"
    r"|(?:你|您|对方|他|她|该)?的?(?:提议|报价|提案)(?=$|[,。;!])|个(?!人|玩家|模型|鬼|屁)|点|分(?!别)|元|枚|单位|代币"
    r"|块|份|金币|吨|条|边|侧|这个|这一|由于|为(?:了|我)|作为)"
)
"""What may come after the option that a sentence decides for."""
IS_CHOICE = re.compile(
    r"\s*(?:(?:is|will be|would be|it is|remains|seems)\s+(?:clearly |definitely |therefore |still )?(?:my|our|the)\s+"
    r"(?:(?:best|final|right|only|optimal|rational|most \w+|wisest|better|safest|correct|dominant)\s+)*"
    r"(?:answer|choice|decision|action|move|option|strategy|response|pick|selection|vote|play|way to go|one i choose)\b"
    r"|is (?:the )?best\b|is what i(?:'ll| will)? (?:choose|pick|do|play)\b|it is\b|it'll be\b"
    r"|[就才]?是(?:我们?的|我|本轮|当前|这里|最|更)?(?:最终|最好|最佳|最优|正确|明智|理性|合理|好|佳|优|终)?的?"
    r"(?:选择|答案|决定|策略|方案|行动)(?!之一|吗|不))"
)
"""What makes an option at the head of a clause the decision."""
LIST_GAP = re.compile(
    r"(?:\s|\n\s*[-•*]+\s|[,/|、;()\"'<>{}\[\]&=:]|\d{1,2}[.)]|\b[a-h][.):]"
    r"|\b(?:or|and|vs|versus|to|either|the|an?|option)\b|还是|或者|或|和|与|及|以及|与|至|到|~)*"
)
"""What stands between two options of a list."""


def plain(text: str) -> str:
    """Return a text in compatibility form (a full-width digit is a digit) and simplified, without invisible marks."""
    composed = unicodedata.normalize("NFKC", text).translate(_TRADITIONAL).replace("’", "'").replace("‘", "'")
    return "".join(filter(_is_visible, composed))


def _is_visible(mark: str) -> bool:
    """Return whether a character is more than decoration: an emoji, its variation or a mark of direction."""
    if mark.isascii():
        return mark.isprintable() or mark in "\n\t\r"
    return unicodedata.category(mark) not in ("Cf", "So", "Sk", "Cc", "Cs", "Co") and not "\ufe00" <= mark <= "\ufe0f"
