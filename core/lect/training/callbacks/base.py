"""What may watch, record or steer a training run: the base class of callbacks, and several of them as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from lect.errors import LectError, UserError

if TYPE_CHECKING:
    from torch import nn

    from lect.data.examples import Example
    from lect.runs import Outcome, RunInfo

P = ParamSpec("P")


class Callback:
    """Receives a training run's events, listed in the order in which they come; each does nothing by default.

    Steps are counted from 1. Where several components are trained in one run, figures and scores of one bear its key in
    front (``lang:jav/loss``). An exception ends the run, with an error that names the callback. The same object may
    serve one run after another.
    """

    #: Whether every process of a run has its events, and not the main one alone. Whatever changes gradients or
    #: parameters has to be everywhere, lest the processes learn different things; what writes files need not.
    in_every_process: bool = False

    #: Why the run is to stop, once `ask_to_stop` was called.
    stop_reason: str | None = None

    @property
    def name(self) -> str:
        """What messages and checkpoints call it: its class, if nothing else is said. Once in a run."""
        return type(self).__name__

    def ask_to_stop(self, reason: str) -> None:
        """End the run after this step as if it was the last one: validated and written.

        Where several processes train together, they hear of it in the step that follows.

        Args:
            reason: a clause for the user.
        """
        self.stop_reason = reason

    def state_dict(self) -> Mapping[str, Any]:
        """What checkpoints keep of it: numbers, text and tensors, in mappings, lists and tuples."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; called after `run_started`, in a run that is resumed."""

    # ------------------------------------------------------------------------------------------------- the run

    def run_started(self, run: RunInfo, step: int) -> None:
        """The run is about to take its first step.

        Args:
            step: steps that are taken already; 0 but for a run that is resumed.
        """

    def checkpoint_loaded(self, step: int) -> None:
        """A run that is resumed stands where its checkpoint was written; states of callbacks are loaded, too."""

    def epoch_started(self, epoch: int) -> None:
        """An epoch begins, or a run that is resumed goes on in it. The first one is 1."""

    def step_started(self, step: int) -> None:
        """The rows of a step are about to go through the model."""

    def batch_started(self, step: int, rows: Mapping[str, Sequence[Example]]) -> None:
        """A forward pass is about to begin; a step has several where gradients are accumulated.

        Args:
            rows: of this process, by component.
        """

    def batch_finished(self, step: int, figures: Mapping[str, Mapping[str, float]]) -> None:
        """The gradients of a forward pass are added to the step's.

        Args:
            figures: by component, the loss and its terms, the mean over its rows in the pass.
        """

    def gradients_ready(self, step: int, parameters: Mapping[str, Mapping[str, nn.Parameter]]) -> None:
        """The step's gradients are there, summed over passes and processes, not yet clipped; they may be changed.

        Args:
            parameters: by component, its trainable parameters by name. One that had no part in the step has no
                gradient.
        """

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """The optimiser has taken a step.

        Args:
            metrics: what a line of ``metrics.jsonl`` has: loss, its terms, learning rate, rows, tokens (``pieces``),
                seconds since the start, memory.
        """

    def validation_started(self, step: int) -> None:
        """Held-out rows are about to be scored."""

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        """Held-out rows have been scored."""

    def scored_without(self, scores: Mapping[str, float]) -> None:
        """Held-out rows have been scored without the component, for comparison; once in a run that trains one alone.

        Args:
            scores: empty where nothing can be predicted without it.
        """

    def checkpoint_written(self, step: int, folder: Path) -> None:
        """A checkpoint lies in this folder."""

    def epoch_ended(self, epoch: int) -> None:
        """All that belongs to an epoch is done: its last step, and the validation and checkpoint that were due."""

    def run_finished(self, outcome: Outcome) -> None:
        """The run has come to its end, and the components are written."""

    def run_interrupted(self, outcome: Outcome) -> None:
        """The run was stopped by the user or the system, after a checkpoint."""

    def run_failed(self, outcome: Outcome) -> None:
        """The run has ended by an error."""

    def close(self) -> None:
        """Let go of files and the like; called last, whatever the run has come to."""


class CallbackError(UserError):
    """A callback has failed, and the run with it."""


class Callbacks:
    """A run's callbacks as one: each event goes to them in their order.

    Args:
        is_main: whether this is the main process of those that train together; in the others only callbacks are told
            that are `in_every_process`.
        report: called with what cannot be raised: errors of callbacks once a run has failed.

    Raises:
        UserError: two have the same name.
    """

    def __init__(
        self, members: Sequence[Callback] = (), is_main: bool = True, report: Callable[[str], None] = lambda text: None
    ) -> None:
        names = [member.name for member in members]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(
                f'two callbacks of the run are called "{twice[0]}"',
                fix="give one of them another name, or leave it out",
            )
        self._members = [member for member in members if is_main or member.in_every_process]
        self._report = report
        for member in self._members:
            # It may have stopped a run before.
            member.stop_reason = None

    def __bool__(self) -> bool:
        return bool(self._members)

    @property
    def stop_reason(self) -> str | None:
        """Why the run should stop, as the first one says that wants it to."""
        return next((member.stop_reason for member in self._members if member.stop_reason is not None), None)

    def tell(self, event: Callable[Concatenate[Callback, P], None], *arguments: P.args, **named: P.kwargs) -> None:
        """Tell each of an event: a method of `Callback`, and what it takes.

        Raises:
            CallbackError: one has failed, and those behind it are not told.
        """
        for member in self._members:
            with _blaming(member):
                getattr(member, event.__name__)(*arguments, **named)

    def tell_all(self, event: Callable[Concatenate[Callback, P], None], *arguments: P.args, **named: P.kwargs) -> None:
        """The same, whichever fail: the run has ended already, so that they are only reported."""
        for member in self._members:
            try:
                with _blaming(member):
                    getattr(member, event.__name__)(*arguments, **named)
            except Exception as error:
                self._report(str(error))

    def state_dict(self) -> dict[str, Any]:
        """The states of those that have any, by name."""
        states = {}
        for member in self._members:
            with _blaming(member):
                states[member.name] = _plain(member.state_dict())
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Give each the state that bears its name; one without any begins anew."""
        for member in self._members:
            if member.name in states:
                with _blaming(member):
                    member.load_state_dict(states[member.name])


def _plain(value: Any) -> Any:
    """The value as checkpoints that hold it can be read. Raises `TypeError` where it holds something else."""
    from torch import Tensor

    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    if value is None or type(value) in {bool, int, float, str, bytes} or isinstance(value, Tensor):
        return value
    raise TypeError(f"its state holds a {type(value).__name__}, which checkpoints cannot keep")


@contextmanager
def _blaming(callback: Callback) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        what = f'the callback "{callback.name}" has failed: {error.what}'
        raise CallbackError(what, where=error.where, fix=error.fix) from error
    except LectError:
        raise
    except Exception as error:
        raise CallbackError(
            f'the callback "{callback.name}" has failed ({type(error).__name__}: {error})',
            where="training",
            fix="mend it, or leave it out",
        ) from error
