"""What a stopped run advises: to resume only where resuming can help, else what to change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from agents.inference.adapter_folder import UnusableAdapterError
from agents.inference.errors import (
    BadReplyError,
    FloorReachedError,
    PermanentError,
    ServerLostError,
    SetupError,
    UnknownAdapterError,
)
from agents.inference.provenance import Provenance, Reply, Request, Tier
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.cli.run import NO_DECISION, refuse_no_decision
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, run_scenario
from simulation.runs.session import ChangedWeightsError
from simulation.runs.work import attempt, check
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

RUN = Path("runs/r")
RESUME = f"society resume {RUN}"
MakePlan = Callable[..., Plan]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (KeyboardInterrupt(), "the run is kept and can be resumed"),
        (SocietyError("OASIS stopped"), "the run is kept and can be resumed"),
        (FloorReachedError(Tier.HTTP, "x", [BadReplyError("x")]), "the run is kept and can be resumed"),
        (FloorReachedError(Tier.HTTP, "x", [SetupError("no key")]), "the run is kept and can be resumed"),
        (
            FloorReachedError(Tier.HTTP, "x", [PermanentError("x"), BadReplyError("x")]),
            "the run is kept and can be resumed",
        ),
        (FloorReachedError(Tier.HTTP, "x", [ServerLostError("x")]), "when the server answers, go on with"),
        (UnknownAdapterError("calm", "here", []), "when the adapter is there, go on with"),
    ],
)
def test_resuming_is_advised_where_it_can_help(error: BaseException, advice: str) -> None:
    stopped = RunStoppedError.after(RUN, error)
    assert advice in str(stopped)
    assert RESUME in str(stopped)
    assert not stopped.repeats


@pytest.mark.parametrize("errors", [[PermanentError("too long")], [PermanentError("a"), PermanentError("b")]])
def test_a_failure_that_repeats_says_what_to_do_instead(errors: list[PermanentError]) -> None:
    stopped = RunStoppedError.after(RUN, FloorReachedError(Tier.HTTP, "too long", errors))
    assert "would stop in the same way: change what is named above and start a new run" in str(stopped)
    assert "society resume" not in str(stopped)
    assert stopped.repeats


@pytest.mark.parametrize(
    "error", [UnusableAdapterError("calm", RUN, "its weights are not finite"), ChangedWeightsError("other weights")]
)
def test_unusable_or_changed_weights_are_no_reason_to_resume(error: SocietyError) -> None:
    stopped = RunStoppedError.after(RUN, error)
    assert "change what is named above and start a new run" in str(stopped)
    assert RESUME not in str(stopped)


@pytest.mark.parametrize("tier", ["http", "camel"])
def test_a_persona_beyond_the_context_is_not_resumable(tier: str, make_plan: MakePlan, runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=f"m{i}", model_name="cooperator", persona="word " * 3000) for i in range(2))
    with in_thread(ScriptedVLLM(max_model_len=512)) as server:
        found = {"tiers": [tier], "endpoints": [server.url]}
        with pytest.raises(RunStoppedError) as stopped:
            run_scenario(make_plan(rows=rows, mode="cooperative", inference=found), out=runs)
    assert "society resume" not in str(stopped.value)


def test_a_worker_hands_the_advice_on() -> None:
    class Stopping:
        place = RUN

        def play(self) -> None:
            raise RunStoppedError.after(RUN, FloorReachedError(Tier.HTTP, "x", [PermanentError("x")]))

    with pytest.raises(RunStoppedError) as caught:
        check(attempt(Stopping()))
    assert caught.value.repeats


async def nonsense(request: Request) -> Reply:
    """Answer with what is no action of any game."""
    return Reply("as it please you", Provenance(Tier.HTTP, adapter=request.adapter))


class TestNoValidDecision:
    def test_it_ends_the_command_with_a_code_of_its_own(
        self, make_plan: MakePlan, runs: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = run_scenario(make_plan(), out=runs, responders=dict.fromkeys(["m0", "m1", "m2", "m3"], nonsense))
        with pytest.raises(typer.Exit) as ended:
            refuse_no_decision(run)
        assert ended.value.exit_code == NO_DECISION == 3
        assert "none of the 16 decisions is valid" in capsys.readouterr().err

    def test_one_valid_decision_is_enough(self, make_plan: MakePlan, runs: Path) -> None:
        refuse_no_decision(run_scenario(make_plan(), out=runs, responders={"m0": nonsense}))
