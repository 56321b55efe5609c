"""Threads of numpy's and scipy's BLAS: held to one where asked, given back afterwards, whoever asks and however it ends."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its library counts too)
import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from fimcore.blas_threads import NEVER_SHARED, WORTH_SHARING, one_thread, stay_on_one_thread, threads_for
from fimcore.fisher.products import gram_triangle, product, symmetric_product


def threads() -> set[int]:
    return {each.num_threads for each in ThreadpoolController().lib_controllers if each.user_api == "blas"}


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    with threadpool_limits(limits=2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("this machine's BLAS does not tell or take a number of threads")
        yield


def test_one_thread_inside_and_what_was_before_afterwards():
    with one_thread():
        assert threads() == {1}
        with one_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert threads() == {2}


def test_as_a_decorator_it_holds_every_call():
    seen = one_thread()(threads)
    assert seen() == seen() == {1}
    assert threads() == {2}


def test_another_python_thread_that_asks_too_takes_and_gives_back_nothing():
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            inside.set()
            assert leave.wait(30)

    worker = threading.Thread(target=other)
    with one_thread():
        worker.start()
        assert inside.wait(30)
        assert threads() == {1}
    assert threads() == {2}
    leave.set()
    worker.join()
    assert threads() == {2}


@pytest.mark.parametrize(
    ("multiply_adds", "expected"),
    [(NEVER_SHARED, 2), (NEVER_SHARED + 1, 1), (WORTH_SHARING - 1, 1), (WORTH_SHARING, 2)],
)
def test_only_a_large_product_has_all_threads(multiply_adds, expected):
    with threads_for(multiply_adds):
        assert threads() == {expected}


def test_the_products_of_the_core_ask_for_one_thread(monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr("fimcore.fisher.products.threads_for", lambda size: asked.append(size) or threads_for(size))
    left, right = (torch.as_tensor(np.random.default_rng(0).standard_normal((30, width))) for width in (40, 50))
    np.testing.assert_allclose(product(left, right), left.T @ right, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(symmetric_product(left), left.T @ left, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gram_triangle(left), (left.T @ left).tril(), rtol=1e-12, atol=1e-12)
    assert asked == [30 * 40 * 50, 30 * 40 * 40, 30 * 40 * 40]


def test_a_server_stays_on_one_thread():
    stay_on_one_thread()
    gc.collect()
    assert torch.get_num_threads() == 1
    assert threads() == {1}
    with one_thread():
        assert threads() == {1}
    assert threads() == {1}
