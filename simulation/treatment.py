"""What can happen to strategy messages between sending and hearing: the causal test of their effect.

| treatment | what a hearer gets                                                                             |
|-----------|------------------------------------------------------------------------------------------------|
| delivered | what was sent                                                                                  |
| silenced  | nothing; messages are still generated and stored                                               |
| shuffled  | the same texts, each under another sender's name; a single message stays as it is              |
| replaced  | per message, the text that a model of another role sent in the same talk round, under the name |
|           | of the first sender, never the hearer's own; if no other role was heard it stays as it is      |

`silenced` asks whether messages matter at all, `shuffled` whether it matters who said what, `replaced` whether it
matters what the role says. In a team battle a replaced text may come from the other team.
"""

from __future__ import annotations

from enum import Enum


class Treatment(str, Enum):
    DELIVERED = "delivered"
    SILENCED = "silenced"
    SHUFFLED = "shuffled"
    REPLACED = "replaced"
