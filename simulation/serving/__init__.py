"""vLLM servers as processes of this machine: started, watched, restarted after a crash, stopped.

What the command line of a server says is in `agents.inference.vllm`.

May import `agents`, `games` and the top-level files of `simulation`.
"""
