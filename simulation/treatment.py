"""What may happen to strategy messages between being sent and being heard: the causal test of what they do.

| treatment | what a hearer gets                                                                             |
|-----------|------------------------------------------------------------------------------------------------|
| delivered | what was sent                                                                                  |
| silenced  | nothing; messages are still generated and stored                                               |
| shuffled  | the same texts, each under another sender's name; a lone message stays as it is                |
| replaced  | per message, the text a model of another role sent in the same talk round, under the name of   |
|           | the first sender, never the hearer's own; where no other role was heard it stays as it is      |

`silenced` asks what messages do at all, `shuffled` whether it matters who said what, `replaced` whether it
matters what the role says. In a team battle a replaced text may come from the other team.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class Treatment(str, Enum):
    DELIVERED = "delivered"
    SILENCED = "silenced"
    SHUFFLED = "shuffled"
    REPLACED = "replaced"
