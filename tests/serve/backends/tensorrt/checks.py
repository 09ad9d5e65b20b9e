"""What an executor does on a GPU, each with a stand-in engine (see `stand_in.py`).

Plain functions of a CUDA context: `test_tensorrt_executor.py` runs them everywhere, on the
stand-in for the driver where there is no GPU, and `test_on_gpu.py` as a script too.
"""

from __future__ import annotations

import gc
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from trtserve.backends.known import Bound
from trtserve.backends.tensorrt import bound as bound_module
from trtserve.backends.tensorrt import executor as module
from trtserve.backends.tensorrt.engine import Engine, Library
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.backends.tensorrt.graphs import Graph
from trtserve.backends.tensorrt.options import Options
from trtserve.backends.tensorrt.slot import Slot
from trtserve.errors import Kind, ServeError

import tests.serve.backends.tensorrt.stand_in as trt
from tests.serve.backends.tensorrt.stand_in import Bounds, ICudaEngine, Tensor, copies, values
from trtbuild.cuda import Cuda, Event, Stream

DEFAULT = Options()
UP_TO_8: dict[str, Bounds] = {"x": ((1, 4), (4, 4), (8, 4))}
UP_TO_64: dict[str, Bounds] = {"x": ((9, 4), (32, 4), (64, 4))}


def one_tensor(cuda: Cuda, *profiles: dict[str, Bounds], dtype: str = "FLOAT") -> ICudaEngine:
    return copies([(Tensor("x", dtype, (-1, 4)), "y")], profiles or (UP_TO_8,), cuda=cuda)


def executor(
    cuda: Cuda, handle: ICudaEngine, options: Options = DEFAULT, allowed: tuple[int, ...] = (0,)
) -> TensorRtExecutor:
    return TensorRtExecutor(Engine(Library(trt), handle), cuda, allowed, options)


def run(instance: TensorRtExecutor, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The output 'y' for the input 'x', gathered as a batch is."""
    if instance.room is not None:
        place = instance.room(array.nbytes)
        place[:] = array.reshape(-1).view(np.uint8)
        array = place.view(array.dtype).reshape(array.shape)
    return instance.execute({"x": array}, ["y"])["y"]


def batches_come_back_as_they_went(cuda: Cuda) -> None:
    instance = executor(cuda, one_tensor(cuda))
    for seed, rows in enumerate((8, 1, 3, 8)):
        given = values((rows, 4), seed=seed)
        np.testing.assert_array_equal(run(instance, given), given)
    instance.unload()


def pageable_memory_will_do(cuda: Cuda) -> None:
    options = Options(pinned_inputs=False, pinned_outputs=False, spin=True, urgency=-1)
    instance = executor(cuda, one_tensor(cuda), options)
    assert instance.room is None
    given = values((5, 4))
    np.testing.assert_array_equal(run(instance, given), given)
    np.testing.assert_array_equal(run(instance, given[::2]), given[::2])  # not contiguous
    instance.unload()


def each_type_keeps_its_bits(cuda: Cuda) -> None:
    types = {"HALF": "float16", "BF16": "uint16", "INT32": "int32", "INT64": "int64"}
    for name, dtype in types.items():
        instance = executor(cuda, one_tensor(cuda, dtype=name))
        given = values((2, 4), dtype)
        got = run(instance, given)
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(got, given)
        instance.unload()


def an_answer_outlives_the_batches_after_it_and_its_instance(cuda: Cuda) -> None:
    instance = executor(cuda, one_tensor(cuda))
    given = [values((8, 4), seed=seed) for seed in range(5)]
    answers = [run(instance, each) for each in given]
    instance.unload()
    for answer, each in zip(answers, given, strict=True):
        np.testing.assert_array_equal(answer, each)


def a_batch_runs_in_the_profile_that_holds_it(cuda: Cuda) -> None:
    instance = executor(cuda, one_tensor(cuda, UP_TO_8, UP_TO_64), allowed=(0, 1))
    for rows in (2, 64, 8, 9, 1):
        given = values((rows, 4), seed=rows)
        np.testing.assert_array_equal(run(instance, given), given)
    try:
        run(instance, values((65, 4)))
    except ServeError as error:
        assert error.kind is Kind.INVALID_ARG
        assert error.message == (
            "input 'x' has the shape [65,4], the plan takes [1,4] to [8,4] (profile 0), or "
            "[9,4] to [64,4] (profile 1)"
        )
    else:
        raise AssertionError("65 rows ran")
    instance.unload()


def memory_grows_where_the_largest_is_huge(cuda: Cuda) -> None:
    huge: dict[str, Bounds] = {"x": ((1, 4), (4, 4), (1 << 30, 4))}
    instance = executor(cuda, one_tensor(cuda, huge))
    for rows in (1, 100_000, 7):
        given = values((rows, 4), seed=rows)
        np.testing.assert_array_equal(run(instance, given), given)
    instance.unload()


def outputs_may_be_sized_by_the_data(cuda: Cuda) -> None:
    pairs = [(Tensor("x", "FLOAT", (-1, 4)), "y"), (Tensor("w", "FLOAT", (-1, 4)), "all")]
    profile = {"x": UP_TO_8["x"], "w": UP_TO_8["x"]}
    handle = copies(pairs, [profile], cuda=cuda, halves=["y"])
    instance = executor(cuda, handle)
    for rows in (8, 2, 6):
        given = values((rows, 4), seed=rows)
        got = instance.execute({"x": given, "w": given}, ["y", "all"])
        np.testing.assert_array_equal(got["y"], given[: rows // 2])
        np.testing.assert_array_equal(got["all"], given)
    instance.unload()


def a_graph_answers_for_its_shapes_and_no_others(cuda: Cuda) -> None:
    handle = one_tensor(cuda)
    instance = executor(cuda, handle, Options(graphs=True))
    instance.capture([Graph({"x": (4, 4)}, 4), Graph({"x": (8, 4)}, 8)])
    captured = handle.enqueued
    assert captured == 2 * 2 * instance.depth, "each shape runs and is captured once in each slot"
    for seed, rows in enumerate((4, 8, 4, 8, 8)):
        given = values((rows, 4), seed=seed)
        np.testing.assert_array_equal(run(instance, given), given)
    assert handle.enqueued == captured, "captured shapes were enqueued again"
    given = values((3, 4), seed=9)
    np.testing.assert_array_equal(run(instance, given), given)
    assert handle.enqueued == captured + 1
    given = values((4, 4), seed=10)
    np.testing.assert_array_equal(run(instance, given), given)
    assert handle.enqueued == captured + 1
    instance.unload()


def a_graph_serves_smaller_batches_down_to_its_bound(cuda: Cuda) -> None:
    handle = one_tensor(cuda)
    instance = executor(cuda, handle, Options(graphs=True))
    instance.capture([Graph({"x": (8, 4)}, 3)])
    captured = handle.enqueued
    for rows, enqueued in ((8, 0), (3, 0), (5, 0), (2, 1), (8, 1)):
        given = values((rows, 4), seed=rows)
        got = run(instance, given)
        assert got.shape == (rows, 4)
        np.testing.assert_array_equal(got, given)
        assert handle.enqueued == captured + enqueued, f"{rows} rows"
    instance.unload()


def what_cannot_be_captured_runs_without(cuda: Cuda) -> None:
    handle = copies([(Tensor("x", "FLOAT", (-1, 4)), "y")], [UP_TO_8], cuda=cuda, halves=["y"])
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("trtserve")
    logger.addHandler(handler)
    try:
        instance = executor(cuda, handle, Options(graphs=True))
        instance.capture([Graph({"x": (4, 4)}, 4), Graph({"x": (99, 4)}, 99)])
    finally:
        logger.removeHandler(handler)
    assert said[0] == (
        "no CUDA graph for x [4,4], which runs without one: the shape of output y depends on the "
        "data"
    )
    assert "x [99,4]" in said[1]
    given = values((4, 4))
    np.testing.assert_array_equal(run(instance, given), given[:2])
    instance.unload()


def instances_of_one_engine_do_not_disturb_each_other(cuda: Cuda) -> None:
    handle = one_tensor(cuda)
    shared = Engine(Library(trt), handle)
    instances = [TensorRtExecutor(shared, cuda, (0,), Options(graphs=True)) for _ in range(2)]
    instances[0].capture([Graph({"x": (8, 4)}, 8)])
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(200):
            given = values((1 + turn % 8, 4), seed=1000 * number + turn)
            try:
                np.testing.assert_array_equal(run(instances[number], given), given)
            except BaseException as error:
                wrong.append(error)
                return
        instances[number].unload()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def in_flight_together(
    instance: TensorRtExecutor, given: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any] | ServeError]:
    """What each of these batches gives; all have begun before the first is waited for."""
    begun = threading.Barrier(len(given))

    def wait(event: Event) -> None:
        begun.wait(30)
        Event.wait(event)

    ends = [end for each in instance._slots for end in (each.done, each.done_awake)]
    for end in ends:
        end.wait = partial(wait, end)  # type: ignore[method-assign]
    found: dict[int, np.ndarray[Any, Any] | ServeError] = {}

    def work(number: int) -> None:
        try:
            found[number] = run(instance, given[number])
        except ServeError as error:
            found[number] = error
            begun.wait(30)  # it never waits for the GPU

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for end in ends:
        del end.wait
    return [found[number] for number in range(len(given))]


IN_FLIGHT_OPTIONS = (
    DEFAULT,
    Options(graphs=True),
    Options(pinned_inputs=False, pinned_outputs=False, spin=True),
)


@contextmanager
def shared_from(share: float) -> Iterator[None]:
    """Slots have one block of context memory where a second one takes more of what is free."""
    before, module._SHARE_OF_FREE = module._SHARE_OF_FREE, share
    try:
        yield
    finally:
        module._SHARE_OF_FREE = before


def kernels_begin_behind_those_of_the_batch_before(cuda: Cuda) -> None:
    """But for the largest batches, where each slot has memory of its own."""
    for share in (1.0, 0.0):
        with shared_from(share):
            instance = executor(cuda, one_tensor(cuda))
        slots = instance._slots
        waited: list[tuple[Slot, Event]] = []
        for slot in slots:
            slot.stream.wait = partial(_noted, slot, waited)  # type: ignore[method-assign]
        assert (slots[0].memory is slots[1].memory) == (not share)
        for rows, waits in ((7, 1), (7, 2), (8, 0 if share else 2)):
            waited.clear()
            in_flight_together(instance, [values((rows, 4), seed=seed) for seed in range(2)])
            assert len(waited) == waits, f"two of {rows} rows"
        for slot in slots:
            del slot.stream.wait
        instance.unload()


def _noted(slot: Slot, waited: list[tuple[Slot, Event]], event: Event) -> None:
    waited.append((slot, event))
    Stream.wait(slot.stream, event)


def two_in_flight_have_nothing_in_common(cuda: Cuda) -> None:
    """Nor where they share the memory of contexts, which is too large to have it twice."""
    for options, share in itertools.product(IN_FLIGHT_OPTIONS, (1.0, 0.0)):
        with shared_from(share):
            handle = one_tensor(cuda, UP_TO_8, UP_TO_64)
            instance = executor(cuda, handle, options, allowed=(0, 1))
        assert instance.depth == 3
        if options.graphs:
            instance.capture([Graph({"x": (8, 4)}, 8), Graph({"x": (64, 4)}, 64)])
        for seed, rows in enumerate(((8, 8), (1, 64), (8, 3), (64, 64), (5, 8), (8, 8))):
            given = [values((each, 4), seed=10 * seed + each % 7) for each in rows]
            given[1] = given[1] + 1000
            for got, sent in zip(in_flight_together(instance, given), given, strict=True):
                np.testing.assert_array_equal(got, sent)
            np.testing.assert_array_equal(run(instance, given[0]), given[0])
        instance.unload()


def one_that_fails_leaves_the_other_alone(cuda: Cuda) -> None:
    handle = one_tensor(cuda)
    instance = executor(cuda, handle)
    handle.refused = (3, 4)
    given = [values((8, 4), seed=1), values((3, 4), seed=2)]
    for pair in (given, given[::-1]):
        for got, sent in zip(in_flight_together(instance, pair), pair, strict=True):
            if len(sent) == 3:
                assert isinstance(got, ServeError)
                assert got.kind is Kind.INTERNAL
            else:
                np.testing.assert_array_equal(got, sent)
    handle.refused = None
    for got, sent in zip(in_flight_together(instance, given), given, strict=True):
        np.testing.assert_array_equal(got, sent)
    instance.unload()


def outputs_sized_by_the_data_come_one_batch_at_a_time(cuda: Cuda) -> None:
    handle = copies([(Tensor("x", "FLOAT", (-1, 4)), "y")], [UP_TO_8], cuda=cuda, halves=["y"])
    instance = executor(cuda, handle)
    assert instance.depth == 1
    instance.unload()


def bound(instance: TensorRtExecutor, given: np.ndarray[Any, Any]) -> Bound:
    """A run in memory of its own for batches like this one."""
    assert instance.bind is not None
    return instance.bind({"x": given}, {"y": given})


def again(run: Bound, given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    run.inputs[0][:] = given
    run.outputs[0][:] = 77
    run.begin()
    while not run.passed():
        pass
    found: np.ndarray[Any, Any] = run.outputs[0].copy()
    return found


def runs_in_memory_of_their_own_answer_alike(cuda: Cuda) -> None:
    """More sizes than there are contexts, in turn, and other batches between them."""
    for options, contexts in itertools.product((DEFAULT, Options(graphs=True)), (3, 32)):
        bound_module._CONTEXTS, before = contexts, bound_module._CONTEXTS
        try:
            _runs_answer_alike(cuda, options)
        finally:
            bound_module._CONTEXTS = before


def _runs_answer_alike(cuda: Cuda, options: Options) -> None:
    handle = one_tensor(cuda)
    instance = executor(cuda, handle, options)
    if options.graphs:
        instance.capture([Graph({"x": (rows, 4)}, rows) for rows in range(1, 8)])
    runs = {rows: bound(instance, values((rows, 4))) for rows in range(1, 9)}
    before = handle.enqueued
    for seed, rows in enumerate((1, 1, 2, 3, 4, 5, 8, 6, 7, 1, 2, 8, 8, 1)):
        given = values((rows, 4), seed=seed)
        np.testing.assert_array_equal(again(runs[rows], given), given)
        np.testing.assert_array_equal(run(instance, given + 1), given + 1)
    if options.graphs:  # 8 was not captured
        assert handle.enqueued - before == 2 * 3
    instance.unload()


def a_run_of_its_own_is_waited_for_by_another_thread(cuda: Cuda) -> None:
    instance = executor(cuda, one_tensor(cuda))
    run_of_3 = bound(instance, values((3, 4)))
    given = values((3, 4), seed=5)
    run_of_3.inputs[0][:] = given
    run_of_3.begin()
    thread = threading.Thread(target=run_of_3.wait)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(run_of_3.outputs[0], given)
    instance.unload()


def large_models_have_none(cuda: Cuda) -> None:
    instance = executor(cuda, one_tensor(cuda, {"x": ((1, 4), (4, 4), (1 << 21, 4))}))
    assert instance.bind is None
    instance.unload()
    instance = executor(cuda, one_tensor(cuda), Options(pinned_inputs=False))
    assert instance.bind is None
    instance.unload()
    instance = executor(cuda, one_tensor(cuda, UP_TO_8, UP_TO_64), allowed=(0, 1))
    assert instance.bind is None
    instance.unload()


def nothing_is_left_when_an_instance_has_gone(cuda: Cuda) -> None:
    """On the stand-in driver its user counts; on a GPU the driver's free memory is what counts."""
    for _ in range(3):
        instance = executor(cuda, one_tensor(cuda), Options(graphs=True))
        instance.capture([Graph({"x": (8, 4)}, 8)])
        run(instance, values((8, 4)))
        bound(instance, values((8, 4)))
        instance.unload()
    gc.collect()


CHECKS: tuple[Callable[[Cuda], None], ...] = (
    batches_come_back_as_they_went,
    pageable_memory_will_do,
    each_type_keeps_its_bits,
    an_answer_outlives_the_batches_after_it_and_its_instance,
    a_batch_runs_in_the_profile_that_holds_it,
    memory_grows_where_the_largest_is_huge,
    outputs_may_be_sized_by_the_data,
    a_graph_answers_for_its_shapes_and_no_others,
    a_graph_serves_smaller_batches_down_to_its_bound,
    what_cannot_be_captured_runs_without,
    instances_of_one_engine_do_not_disturb_each_other,
    kernels_begin_behind_those_of_the_batch_before,
    two_in_flight_have_nothing_in_common,
    one_that_fails_leaves_the_other_alone,
    outputs_sized_by_the_data_come_one_batch_at_a_time,
    runs_in_memory_of_their_own_answer_alike,
    a_run_of_its_own_is_waited_for_by_another_thread,
    large_models_have_none,
    nothing_is_left_when_an_instance_has_gone,
)
